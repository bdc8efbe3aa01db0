import { runFuzzCommand } from "../support/fuzz-command.ts"
import { fuzzRecordings } from "./recording-fuzz.ts"

/**
 * How do the decoders of a recording take bytes nobody vouches for? Headers, starts and events with one to four changes, half
 * of them sealed again with right checksums.
 * `node bench/real/fuzz-recording.ts --inputs 1000000 [--seed 1]`. Exits 1 when a decoder throws, when bytes with a
 * wrong checksum pass, or when what passes does not encode to itself.
 */
runFuzzCommand(import.meta.filename, fuzzRecordings)
