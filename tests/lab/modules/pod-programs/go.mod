module lab/pod-programs

go 1.26.0
