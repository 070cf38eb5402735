/**
 * Time as a parameter: a {@linkcode Clock} with the real {@linkcode systemClock} and a {@linkcode FakeClock} for tests.
 *
 * @module
 */
export type { Clock, Timer } from "./clock.ts";
export { FakeClock } from "./fake_clock.ts";
export { sleep } from "./sleep.ts";
export { systemClock } from "./system_clock.ts";
