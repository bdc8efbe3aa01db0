import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { test } from "vitest"
import { parseDuration, parseInteger, parseShard } from "#cli/arguments.ts"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()
writeFileSync("unknown-field.json", '{"capsule": 1, "colour": "red"}')
writeFileSync("broken.json", '{"capsule": ')
writeFileSync("not-a-plan.json", '{"workload": {}, "seeds": 4}')
writeFileSync("of-a-machine.json", '{"capsule": 1, "plan": {"machine": {"name": "locks", "version": "1"}}}')

const REFUSED: readonly (readonly [args: string, says: RegExp])[] = [
  ["sim run smoek", /no scenario "smoek", did you mean "smoke"\?/],
  ["sim run xyzzyplugh", /no scenario "xyzzyplugh"; `orrery sim list` shows them all/],
  ["smi run", /unknown command 'smi', did you mean "sim"\?/],
  ["sim rnu", /unknown command 'rnu', did you mean "run"\?/],
  ["sim run --sede 4", /unknown option '--sede', did you mean "--seed"\?/],
  ["sim run --seeds", /argument missing/],
  ["sim run --seeds ten", /--seeds: "ten" is not a whole number/],
  ["sim run --seeds 1.5", /--seeds: "1.5" is not a whole number/],
  ["sim run --seeds 0", /--seeds: 0 lies outside/],
  ["sim run --seeds 99999999999", /--seeds: 99999999999 lies outside/],
  ["sim run smoke flawed --seeds 9999999", /more than/],
  ["sim run --seed 18446744073709551615", /--seed: 18446744073709551615 lies outside/],
  ["sim run --seed 1 --seeds 2", /--seed is one seed and does not go with --seeds/],
  ["sim run --seed 1 --from 2", /does not go with --from/],
  ["sim run smoke --from 9007199254740991 --seeds 2", /the last seed/],
  ["sim run --from -1", /--from: "-1" is not a whole number/],
  ["sim run --for 10", /--for: "10" is not a duration/],
  ["sim run --for 10x", /--for: "10x" is not a duration/],
  ["sim run --jobs 0", /--jobs: 0 lies outside/],
  ["sim run --jobs 1000", /--jobs: 1000 lies outside/],
  ["sim run --shard 3", /--shard: "3" is not of the form i\/n/],
  ["sim run --shard 0/4", /--shard: 0\/4 is no part of 4/],
  ["sim run --shard 5/4", /--shard: 5\/4 is no part of 4/],
  ["sim run smoke --seed 1 --shard 2/2", /nothing is left for part 2/],
  ["sim show", /missing required argument 'scenario'/],
  ["sim show smoke --seed x", /--seed: "x" is not a whole number/],
  ["sim replay", /missing required argument/],
  ["sim replay smoke", /Which seed of smoke\?/],
  ["sim replay smokey --seed 4", /did you mean "smoke"/],
  ["sim replay smoke --seed 1 --trace 5", /--trace: "5" is not of the form from\.\.to/],
  ["sim replay smoke --seed 1 --trace 9..5", /--trace: 5 lies outside/],
  ["sim replay nowhere.json", /There is no file nowhere\.json/],
  ["sim replay unknown-field.json", /unknown-field\.json is no capsule: .*colour/],
  ["sim replay broken.json", /broken\.json is not JSON/],
  ["sim replay not-a-plan.json", /not-a-plan\.json is no plan/],
  ["sim replay of-a-machine.json", /of the machine locks: only the test that has it can run it/],
  ["sim shrink of-a-machine.json", /of the machine locks/],
  ["sim shrink nowhere.json", /There is no file nowhere\.json/],
  ["sim shrink not-a-plan.json", /not-a-plan\.json is no plan/],
  ["sim merge", /missing required argument 'json'/],
  ["sim merge unknown-field.json", /unknown field "capsule"/],
  ["sim merge broken.json", /broken\.json is not JSON/],
]

for (const [args, says] of REFUSED) {
  test(`\`orrery ${args}\` is refused in one line with exit 2`, async () => {
    const { code, stdout, stderr } = await orrery(args.split(" "))
    assert.equal(code, 2)
    assert.match(stderr, says)
    assert.equal(stderr.indexOf("\n"), stderr.length - 1, stderr)
    assert.equal(stdout, "")
  })
}

test("`orrery` and `orrery sim` alone explain themselves and exit 2, --help exits 0", async () => {
  for (const args of [[], ["sim"]]) {
    const { code, stderr } = await orrery(args)
    assert.equal(code, 2)
    assert.match(stderr, /Usage: orrery/)
  }
  const { code, stdout } = await orrery(["sim", "run", "--help"])
  assert.equal(code, 0)
  assert.match(stdout, /--shard <i\/n>/)
})

test("--version prints a version and nothing else", async () => {
  const { code, stdout } = await orrery(["--version"])
  assert.equal(code, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\S*\n$/)
})

test("a place that cannot be written is the environment's fault: the verdict is told, then exit 4", async () => {
  writeFileSync("file", "")
  const args = ["sim", "run", "smoke", "--seed", "1", "--json", "file/report.json"]
  const { code, stdout, stderr } = await orrery(args)
  assert.equal(code, 4)
  assert.match(stderr, /^orrery: Cannot write file\/report\.json: /m)
  assert.match(stdout, /^PASS: 1 run/m)
})

test("a simulator that does not load is the environment's fault: exit 4", async () => {
  const engineUrl = new URL("./nothing.ts", import.meta.url).href
  const { code } = await orrery(["sim", "run"], { engineUrl })
  assert.equal(code, 4)
})

test("numbers, durations and shards mean what they say", () => {
  assert.equal(parseInteger("n", "1_000", 0, 9_999), 1_000)
  assert.equal(parseInteger("n", "0xff", 0, 9_999), 255)
  assert.equal(parseDuration("n", "1h30m"), 5_400_000)
  assert.equal(parseDuration("n", "1.5s"), 1_500)
  assert.equal(parseDuration("n", "250ms"), 250)
  assert.deepEqual(parseShard("n", "2/8"), { index: 2, count: 8 })
})
