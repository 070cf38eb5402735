/** `deno task soak`: an hour of churn (hour.ts); with `--attackers` ten minutes of a hostile guest (attackers/main.ts). */
await import(Deno.args.includes("--attackers") ? "./attackers/main.ts" : "./hour.ts");
