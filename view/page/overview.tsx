import { useSignalEffect } from "@preact/signals"
import type { JSX } from "preact"
import { useRef } from "preact/hooks"
import { count, seconds } from "./format.ts"
import { readPalette } from "./paint.ts"
import * as state from "./state.ts"
import { paintings } from "./theme.ts"

const HEIGHT = 40
const LEFT = 84

/** The whole run: what is in sight of it, faults, quiet parts, the violation. Drag to scrub. */
export function Overview(): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null)
  const isDown = useRef(false)

  useSignalEffect(() => {
    const run = state.summary.value
    const { from, until } = state.view.value
    const at = state.cursorAt.value
    void [paintings.value, state.scene.value]
    const element = canvas.current
    if (run === null || element === null) return
    const width = element.clientWidth
    const ratio = devicePixelRatio
    element.width = Math.floor(width * ratio)
    element.height = Math.floor(HEIGHT * ratio)
    const context = element.getContext("2d")!
    context.scale(ratio, ratio)
    const palette = readPalette()
    const { outline } = run
    const x = (time: number): number => LEFT + (time / outline.runUs) * (width - LEFT - 8)
    context.fillStyle = palette["panel"]!
    context.fillRect(LEFT, 4, width - LEFT - 8, HEIGHT - 8)
    context.fillStyle = palette["quiet"]!
    for (const part of outline.quiet)
      context.fillRect(x(part.from), 4, x(part.until) - x(part.from), HEIGHT - 8)
    context.fillStyle = palette["leader"]!
    for (const role of outline.roles) {
      if (role.role !== "leader") continue
      const row = (role.lane / Math.max(1, state.storeCount.value)) * (HEIGHT - 18)
      context.fillRect(x(role.from), 7 + row, Math.max(1, x(role.until) - x(role.from)), 2)
    }
    context.fillStyle = palette["fault"]!
    for (const fault of outline.faults) {
      const end = Math.max(x(fault.until), x(fault.from) + 2)
      context.fillRect(x(fault.from), HEIGHT - 10, end - x(fault.from), 4)
    }
    context.strokeStyle = palette["soft"]!
    context.strokeRect(x(from) + 0.5, 2.5, Math.max(3, x(until) - x(from)) - 1, HEIGHT - 5)
    if (run.violation !== null) {
      context.fillStyle = palette["bad"]!
      context.fillRect(x(run.violation.at) - 1, 0, 2, HEIGHT)
    }
    context.fillStyle = palette["accent"]!
    context.fillRect(x(at) - 0.75, 0, 1.5, HEIGHT)
  })

  const scrub = (event: PointerEvent): void => {
    const run = state.summary.value
    if (run === null) return
    const box = canvas.current!.getBoundingClientRect()
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - 8)
    const time = Math.min(1, Math.max(0, share)) * run.outline.runUs
    void state.lookAtTime(time, null)
  }

  const run = state.summary.value
  return (
    <footer class="transport">
      <canvas
        ref={canvas}
        id="overview"
        style={{ height: `${HEIGHT}px` }}
        onPointerDown={(event) => {
          isDown.current = true
          canvas.current!.setPointerCapture(event.pointerId)
          scrub(event)
        }}
        onPointerMove={(event) => {
          if (isDown.current) scrub(event)
        }}
        onPointerUp={() => {
          isDown.current = false
        }}
      />
      <div class="buttons">
        <button title="First event (Home)" onClick={() => void state.look(1)}>
          <EndIcon isFirst />
        </button>
        <button title="Step back (←)" id="back" onClick={() => void state.step(-1, false)}>
          ◀
        </button>
        <span class="where">
          <b id="event">{count(state.cursor.value)}</b>
          <span class="soft"> / {count(run?.events ?? 0)}</span>
          <span class="mono" id="at">
            {seconds(state.cursorAt.value)}
          </span>
        </span>
        <button title="Step forward (→)" id="forward" onClick={() => void state.step(1, false)}>
          ▶
        </button>
        <button title="Last event (End)" onClick={() => void state.look(run?.events ?? 1)}>
          <EndIcon isFirst={false} />
        </button>
        <span class="gap" />
        <button onClick={() => state.zoom(0.5, state.cursorAt.value)} title="Nearer (+)">
          +
        </button>
        <button onClick={() => state.zoom(2, state.cursorAt.value)} title="Farther (−)">
          −
        </button>
        <button onClick={() => state.show(0, run?.outline.runUs ?? 1)} title="The whole run (0)">
          all
        </button>
        <span class="gap" />
        <label title="Hide heartbeats and support between stores (b)">
          <input
            type="checkbox"
            checked={!state.isQuiet.value}
            onChange={() => {
              state.isQuiet.value = !state.isQuiet.value
            }}
          />
          heartbeats
        </label>
        <label title="What happened before the event under the cursor (c)">
          <input
            type="checkbox"
            id="cone"
            checked={state.cone.value !== null}
            onChange={() => void state.toggleCone()}
          />
          causal cone
        </label>
        <Groups />
        <span class="gap grow" />
        <span class="soft" id="hidden">
          {(state.scene.value?.hidden ?? 0) > 0
            ? `${count(state.scene.value!.hidden)} messages not drawn`
            : ""}
        </span>
      </div>
    </footer>
  )
}

/** A bar and a triangle: fonts seldom have the sign. */
function EndIcon({ isFirst }: { readonly isFirst: boolean }): JSX.Element {
  return (
    <svg width="12" height="10" viewBox="0 0 12 10" aria-hidden="true">
      <path fill="currentColor" d={isFirst ? "M0 0h2v10H0zM12 0v10L3 5z" : "M10 0h2v10h-2zM0 0v10l9-5z"} />
    </svg>
  )
}

function Groups(): JSX.Element | null {
  const groups = state.summary.value?.outline.groups ?? []
  if (groups.length < 2) return null
  return (
    <select
      title="Whose roles are drawn"
      value={String(state.group.value)}
      onChange={(event) => {
        state.group.value = Number(event.currentTarget.value)
      }}
    >
      <option value="0">all groups</option>
      {groups.map((group) => (
        <option key={group} value={String(group)}>
          group {group}
        </option>
      ))}
    </select>
  )
}
