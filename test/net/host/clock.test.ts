import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { describe, test } from "vitest"
import { machineSources, MachineClock, type ClockSources } from "#net/host/clock.ts"

const EPOCH_MS = 1_700_000_000_000

/** A machine whose three clocks a test moves. */
class Machine implements ClockSources {
  mono = 5_000_000
  wall = EPOCH_MS * 1_000
  uptime: number | null = 9_000_000
  reads = 0

  monoUs(): number {
    return this.mono
  }
  wallMs(): number {
    return Math.floor(this.wall / 1_000)
  }
  uptimeUs(): number | null {
    this.reads++
    // As the machine shows it: hundredths of a second.
    return this.uptime === null ? null : Math.floor(this.uptime / 10_000) * 10_000
  }
  pass(us: number): void {
    this.mono += us
    this.wall += us
    if (this.uptime !== null) this.uptime += us
  }
  sleep(us: number): void {
    this.wall += us
    if (this.uptime !== null) this.uptime += us
  }
}

/** By how much both clocks advance, as a kernel would see it. */
function advances(clock: MachineClock, what: () => void): { readonly mono: number; readonly wall: number } {
  const before = { mono: clock.mono(), wall: clock.wall() }
  what()
  return { mono: clock.mono() - before.mono, wall: clock.wall() - before.wall }
}

describe("the clock of a host", () => {
  test("both advance in whole microseconds as time passes", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    for (let i = 0; i < 1_000; i++) {
      const { mono, wall } = advances(clock, () => machine.pass(137))
      assert.equal(mono, 137)
      assert.equal(wall, 137)
    }
  })

  test("the wall clock follows the machine's to the millisecond, however it drifts", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    for (let i = 0; i < 1_000; i++) {
      machine.pass(500)
      machine.wall += 3
      assert.ok(Math.abs(clock.wall() - machine.wall) < 1_000)
    }
  })

  test("neither ever goes back, though the machine's clock is set back", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    const { mono, wall } = advances(clock, () => {
      machine.pass(1_000)
      machine.wall -= 3_600_000_000
    })
    assert.equal(mono, 1_000)
    assert.equal(wall, 0)
  })

  test("a sleep of the machine is an advance of both", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    const slept = 600_000_000
    const { mono, wall } = advances(clock, () => machine.sleep(slept))
    assert.ok(Math.abs(mono - slept) <= 20_000, `mono advanced by ${mono}`)
    assert.ok(Math.abs(wall - slept) <= 1_000, `wall advanced by ${wall}`)
    // It has slept once: the next advance is what passes.
    assert.equal(advances(clock, () => machine.pass(1_000)).mono, 1_000)
  })

  test("a hundred sleeps add up without an error of their own", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    const { mono, wall } = advances(clock, () => {
      for (let i = 0; i < 100; i++) {
        machine.sleep(1_234_567)
        clock.mono()
        machine.pass(1_000)
      }
    })
    assert.ok(Math.abs(mono - wall) <= 60_000, `${mono} and ${wall}`)
  })

  test("a wall clock that is set forward is left for the kernel's guard to see", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    const { mono, wall } = advances(clock, () => {
      machine.wall += 60_000_000
    })
    assert.equal(mono, 0)
    assert.equal(wall, 60_000_000)
  })

  test("a machine that does not say how long it slept shows a jump", () => {
    const machine = new Machine()
    machine.uptime = null
    const clock = new MachineClock(machine)
    const { mono, wall } = advances(clock, () => machine.sleep(60_000_000))
    assert.equal(mono, 0)
    assert.equal(wall, 60_000_000)
  })

  test("while nothing is wrong the third clock is not read", () => {
    const machine = new Machine()
    const clock = new MachineClock(machine)
    const before = machine.reads
    for (let i = 0; i < 10_000; i++) {
      machine.pass(1_000)
      clock.mono()
    }
    assert.equal(machine.reads, before)
  })

  test(
    "this machine's clocks are whole numbers that agree with each other",
    { skip: process.platform !== "linux" },
    () => {
      const sources = machineSources()
      assert.ok(Number.isSafeInteger(sources.monoUs()))
      const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]) * 1e6
      assert.ok(Math.abs(sources.uptimeUs()! - uptime) < 5_000_000)
      const clock = new MachineClock(sources)
      let [mono, wall] = [clock.mono(), clock.wall()]
      for (let i = 0; i < 10_000; i++) {
        const [nextMono, nextWall] = [clock.mono(), clock.wall()]
        assert.ok(Number.isSafeInteger(nextMono) && Number.isSafeInteger(nextWall))
        assert.ok(nextMono >= mono && nextWall >= wall)
        mono = nextMono
        wall = nextWall
      }
      assert.ok(Math.abs(wall / 1_000 - Date.now()) < 1_000)
    },
  )
})
