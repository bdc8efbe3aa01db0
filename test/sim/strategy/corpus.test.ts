import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import {
  Chance,
  Corpus,
  CORPUS_MAX,
  drawPlan,
  FEATURES_MAX,
  isPlanError,
  type Plan,
  type Sighting,
} from "#sim"
import { main as smoke } from "#scenarios/smoke/smoke.ts"

const plan = drawPlan(smoke, 1)
const planOf = (seed: number): Plan => ({ ...plan, seed })
const seen = (...orders: readonly number[]): Sighting => ({ marks: [], steps: [], orders })

function filled(count: number): Corpus {
  const corpus = new Corpus()
  for (let run = 1; run <= count; run++) {
    const sighting = seen(1, 2, 1_000 + run)
    assert.equal(corpus.learn(sighting), true)
    corpus.keep(planOf(run), sighting)
  }
  return corpus
}

test("what no run has shown is new once, and a mark is another thing than an order of the same number", () => {
  const corpus = new Corpus()
  assert.equal(corpus.learn(seen(1, 2)), true)
  assert.equal(corpus.learn(seen(2, 1)), false)
  assert.equal(corpus.learn({ marks: [1], steps: [], orders: [1] }), true)
  assert.equal(corpus.learn({ marks: [1], steps: [2], orders: [] }), true)
  assert.equal(corpus.features, 4)
})

test("it holds so many plans and things and no more, whatever it is told", () => {
  const corpus = filled(CORPUS_MAX * 2)
  assert.equal(corpus.size, CORPUS_MAX)
  for (let run = 0; run < 10; run++)
    corpus.learn(seen(...Array.from({ length: 10_000 }, (_, index) => 5_000 + run * 10_000 + index)))
  assert.equal(corpus.features, FEATURES_MAX)
  assert.equal(corpus.learn(seen(4_000_000_000)), false)
})

test("of those it holds the one goes that shows least of what is rare", () => {
  const corpus = new Corpus()
  for (let run = 1; run <= CORPUS_MAX; run++) {
    const sighting = seen(run, ...(run === 5 ? [] : [10_000 + run]))
    corpus.learn(sighting)
    corpus.keep(planOf(run), sighting)
  }
  const last = seen(90_001, 90_002)
  corpus.learn(last)
  corpus.keep(planOf(77_777), last)
  const seeds = corpus.plans.map(({ seed }) => seed)
  assert.ok(!seeds.includes(5) && seeds.includes(77_777))
})

test("what is rare is chosen often, and what was chosen often less so", () => {
  const corpus = new Corpus()
  const common = seen(1)
  const rare: Sighting = { marks: [9], steps: [], orders: [] }
  for (let run = 0; run < 50; run++) corpus.learn(common)
  corpus.keep(planOf(1), common)
  corpus.learn(rare)
  corpus.keep(planOf(2), rare)
  const picks = Array.from({ length: 400 }, (_, turn) => corpus.pick(new Chance(`pick ${turn}`))?.seed)
  const first = picks.slice(0, 50).filter((seed) => seed === 2).length
  assert.ok(first > 40)
  assert.ok(picks.slice(50).includes(1))
  assert.equal(new Corpus().pick(new Chance("none")), null)
})

test("written and read again it goes on as it would have", () => {
  const corpus = filled(20)
  corpus.pick(new Chance("before"))
  const text = JSON.stringify(corpus.toJson())
  const read = Corpus.parse(JSON.parse(text))
  assert.ok(!isPlanError(read))
  assert.equal(JSON.stringify(read.toJson()), text)
  for (let turn = 0; turn < 20; turn++) {
    const name = `turn ${turn}`
    assert.equal(read.pick(new Chance(name))?.seed, corpus.pick(new Chance(name))?.seed)
    const sighting = seen(turn, 2_000 + turn)
    assert.equal(read.learn(sighting), corpus.learn(sighting))
    read.keep(planOf(500 + turn), sighting)
    corpus.keep(planOf(500 + turn), sighting)
  }
  assert.equal(JSON.stringify(read.toJson()), JSON.stringify(corpus.toJson()))
})

test("a file that is none is refused, with the place", () => {
  const file = filled(2).toJson()
  const refused = (json: unknown): string => {
    const read = Corpus.parse(json)
    assert.ok(isPlanError(read))
    return read.message
  }
  assert.match(refused(null), /expected an object/)
  assert.match(refused({ ...file, format: 2 }), /\$\.format/)
  assert.match(refused({ ...file, seen: [[1]] }), /\$\.seen\[0\]: it is no pair/)
  const [entry] = file.entries
  assert.match(
    refused({ ...file, entries: [{ ...entry, plan: { ...plan, phases: {} } }] }),
    /entries\[0\]\.plan/,
  )
  assert.match(
    refused({ ...file, entries: [{ ...entry, plan: { ...plan, builds: [] } }] }),
    /a run needs at least one build/,
  )
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const read = Corpus.parse(json)
      return isPlanError(read) && read.message.length > 0
    }),
  )
})
