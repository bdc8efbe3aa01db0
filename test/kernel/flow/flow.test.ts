import fc from "fast-check"
import { assert, test } from "vitest"
import { FlowRun, FLOW_BYTES_MAX, type Advanced, type AnswerCodec, type Flow } from "#kernel/flow/flow.ts"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"

const CODEC: AnswerCodec<number> = {
  write: (answer, sink) => sink.int(answer),
  read: (reader) => reader.int(),
  weigh: (answer) => Math.abs(answer),
}
const BEGUN = { mono: 100, wall: 1_000 }

/** Asks for as many numbers as `widths` say, one pause each; its result is all it was told. */
function* gatherer(widths: readonly number[]): Flow<string, number, readonly string[]> {
  const told: string[] = []
  for (const [round, width] of widths.entries()) {
    const requests = Array.from({ length: width }, (_, place) => `${round}.${place}`)
    const { mono, wall, cancelled, answers } = yield { requests, forUs: width === 0 ? 10 : 50 }
    told.push(`${mono}/${wall}/${cancelled}/${answers.join(",")}`)
    if (cancelled === "deadlock") return told
  }
  return told
}

type Run = FlowRun<string, number, readonly string[]>
type Action =
  | { readonly type: "answer"; readonly back: number; readonly place: number; readonly answer: number }
  | { readonly type: "time"; readonly us: number }
  | { readonly type: "cancel"; readonly reason: "cancelled" | "deadlock" }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("answer" as const),
      back: fc.nat(1),
      place: fc.nat(3),
      answer: fc.integer(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("time" as const), us: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("cancel" as const),
      reason: fc.constantFrom("cancelled" as const, "deadlock" as const),
    }),
  },
)

function act(run: Run, action: Action, stamp: typeof BEGUN): Advanced<string, readonly string[]> {
  switch (action.type) {
    case "answer": {
      const pause = Math.max(0, run.pause - action.back)
      return run.answered(pause, action.place, action.answer, stamp)
    }
    case "time":
      return run.timePassed(stamp)
    case "cancel":
      return run.cancel(action.reason, stamp)
  }
}

test("load(save()) at every point changes nothing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }),
      fc.array(action, { maxLength: 60 }),
      (widths, actions) => {
        let mono = BEGUN.mono
        const run: Run = new FlowRun(gatherer(widths), CODEC)
        let twin: Run = new FlowRun(gatherer(widths), CODEC)
        assert.deepEqual(run.begin(BEGUN), twin.begin(BEGUN))
        for (const action of actions) {
          const bytes = bytesOf(run)
          twin = FlowRun.load(new ByteReader(bytes), gatherer(widths), CODEC, BEGUN)
          assert.deepEqual(bytesOf(twin), bytes)
          assert.deepEqual(twin.outstanding(), run.outstanding())
          assert.deepEqual(
            [twin.pause, twin.deadline, twin.isCancelled],
            [run.pause, run.deadline, run.isCancelled],
          )
          mono += action.type === "time" ? action.us : 1
          const stamp = { mono, wall: mono + 7 }
          const did = act(run, action, stamp)
          assert.deepEqual(act(twin, action, stamp), did)
          if (did.type === "ended") return
        }
      },
    ),
    { numRuns: 300 },
  )
})

test("a flow goes on when the last of its requests is answered, in their order", () => {
  const run: Run = new FlowRun(gatherer([2]), CODEC)
  assert.deepEqual(run.begin(BEGUN), { type: "paused", requests: ["0.0", "0.1"] })
  assert.deepEqual(run.answered(0, 1, 11, { mono: 101, wall: 1 }), { type: "waits" })
  assert.deepEqual(run.answered(0, 1, 12, { mono: 102, wall: 2 }), { type: "waits" }, "answered once")
  assert.deepEqual(run.answered(0, 0, 10, { mono: 103, wall: 3 }), {
    type: "ended",
    result: ["103/3/null/10,11"],
  })
})

test("time that has passed resumes a flow with the answers that have come", () => {
  const run: Run = new FlowRun(gatherer([2, 1]), CODEC)
  run.begin(BEGUN)
  run.answered(0, 1, 11, { mono: 101, wall: 1 })
  assert.deepEqual(run.timePassed({ mono: 149, wall: 2 }), { type: "waits" })
  assert.deepEqual(run.timePassed({ mono: 150, wall: 3 }), { type: "paused", requests: ["1.0"] })
  assert.deepEqual(
    run.answered(0, 0, 10, { mono: 151, wall: 4 }),
    { type: "waits" },
    "an answer that came too late is dropped",
  )
  const ended = run.answered(1, 0, 1, { mono: 152, wall: 5 })
  assert.deepEqual(ended, { type: "ended", result: ["150/3/null/,11", "152/5/null/1"] })
})

test("a flow that was resumed with more than may be kept is cancelled", () => {
  const run: Run = new FlowRun(gatherer([1, 1, 1]), CODEC)
  run.begin(BEGUN)
  run.answered(0, 0, FLOW_BYTES_MAX, { mono: 101, wall: 1 })
  assert.isTrue(run.isCancelled)
  assert.deepEqual(run.cancel("cancelled", { mono: 102, wall: 2 }), { type: "waits" }, "and once is enough")
  run.answered(1, 0, 1, { mono: 103, wall: 3 })
  const ended = run.answered(2, 0, 1, { mono: 104, wall: 4 })
  assert.match(ended.type === "ended" ? ended.result.join(" ") : "", /exhausted/)
})
