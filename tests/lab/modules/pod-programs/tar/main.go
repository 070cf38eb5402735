// The part of tar that kubectl cp uses in a pod: `tar cf - PATH` and `tar xmf - -C FOLDER`.
package main

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tar:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no arguments")
	}
	folder, names := ".", []string{}
	for i := 1; i < len(args); i++ {
		switch {
		case args[i] == "-C" && i+1 < len(args):
			i++
			folder = args[i]
		case args[i] != "-":
			names = append(names, args[i])
		}
	}
	if strings.Contains(args[0], "c") {
		return create(names)
	}
	return extract(folder)
}

func create(names []string) error {
	out := tar.NewWriter(os.Stdout)
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		header := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: 0o644, Size: info.Size()}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(out, file); err != nil {
			return err
		}
	}
	return out.Close()
}

func extract(folder string) error {
	in := tar.NewReader(os.Stdin)
	for {
		header, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		file, err := os.Create(path.Join(folder, header.Name))
		if err != nil {
			return err
		}
		if _, err := io.Copy(file, in); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
}
