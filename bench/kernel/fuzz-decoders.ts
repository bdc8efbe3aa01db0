import { runFuzzCommand } from "../support/fuzz-command.ts"
import { fuzzDecoders } from "./decoder-fuzz.ts"

/**
 * How do the decoders between stores take bytes nobody vouches for? Frames, messages, snapshots, saved requests and
 * replies are mutated, half of them sealed again with right checksums.
 * `node bench/kernel/fuzz-decoders.ts --inputs 1000000 [--seed 1]`. Exits 1 when a decoder throws, when bytes with a
 * wrong checksum pass, or when what passes does not encode to itself.
 */
runFuzzCommand(import.meta.filename, fuzzDecoders)
