import { signal, useSignalEffect, type Signal } from "@preact/signals"
import type { JSX } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { EVENT_FIELDS, MESSAGE_FIELDS, MESSAGE_KINDS } from "../session/messages.ts"
import { seconds, span } from "./format.ts"
import { LEFT, layOut, paint, readPalette, type Layout, type Palette } from "./paint.ts"
import * as state from "./state.ts"
import { paintings } from "./theme.ts"

const size: Signal<{ readonly width: number; readonly height: number }> = signal({ width: 0, height: 0 })
const tip: Signal<{ readonly x: number; readonly y: number; readonly lines: readonly string[] } | null> =
  signal(null)
const NO_CHAIN: ReadonlySet<number> = new Set()

/** The space-time diagram: a lane for each store and client, time to the right. */
export function Diagram(): JSX.Element {
  const frame = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const drawn = useRef<Layout | null>(null)
  const palette = useRef<Palette | null>(null)
  const drag = useRef<{ x: number; from: number; until: number; moved: boolean } | null>(null)

  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      size.value = { width: Math.floor(width), height: Math.floor(height) }
    })
    watcher.observe(frame.current!)
    return () => watcher.disconnect()
  }, [])

  useSignalEffect(() => {
    void [state.view.value, state.isQuiet.value, state.summary.value]
    if (state.summary.value !== null) void state.fetchScene()
  })

  useSignalEffect(() => {
    void paintings.value
    palette.current = null
  })

  useSignalEffect(() => {
    const run = state.summary.value
    const { width, height } = size.value
    void paintings.value
    const element = canvas.current
    if (run === null || element === null || width < 50) return
    palette.current ??= readPalette()
    const layout = layOut(run.outline, state.view.value, width, height)
    drawn.current = layout
    const ratio = devicePixelRatio
    element.style.height = `${layout.height}px`
    element.style.width = `${width}px`
    element.width = Math.floor(width * ratio)
    element.height = Math.floor(layout.height * ratio)
    const context = element.getContext("2d")!
    context.scale(ratio, ratio)
    const cone = state.cone.value
    const { focus, focusStore } = run
    paint(context, {
      outline: run.outline,
      scene: state.scene.value,
      view: state.view.value,
      layout,
      palette: palette.current,
      group: state.group.value,
      lane: state.lane.value,
      cursorAt: state.cursorAt.value,
      violationAt: focus?.at ?? null,
      violationLane: focusStore - 1,
      cone: cone?.until ?? null,
      chain: cone === null ? NO_CHAIN : new Set(cone.path),
      message: state.message.value?.id ?? -1,
    })
  })

  const place = (event: MouseEvent): { readonly x: number; readonly y: number } => {
    const box = canvas.current!.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }

  return (
    <div class="diagram" ref={frame}>
      <canvas
        ref={canvas}
        id="diagram"
        tabIndex={0}
        role="img"
        aria-label="Space-time diagram: stores and clients from top to bottom, time to the right"
        onWheel={(event) => {
          const layout = drawn.current
          if (layout === null) return
          const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey
          if (layout.height > size.value.height + 4 && !event.ctrlKey && !isSideways && event.altKey) return
          event.preventDefault()
          const { from, until } = state.view.value
          if (isSideways) {
            const by = ((event.deltaX || event.deltaY) / layout.width) * (until - from)
            state.show(from + by, until + by)
          } else state.zoom(Math.exp(event.deltaY * 0.0015), layout.time(Math.max(LEFT, place(event).x)))
        }}
        onPointerDown={(event) => {
          drag.current = { x: event.clientX, ...state.view.value, moved: false }
          canvas.current!.setPointerCapture(event.pointerId)
        }}
        onPointerMove={(event) => {
          const layout = drawn.current
          if (layout === null) return
          const held = drag.current
          if (held === null) {
            tip.value = tipAt(layout, place(event))
            return
          }
          if (Math.abs(event.clientX - held.x) > 3) held.moved = true
          if (!held.moved) return
          const by = ((event.clientX - held.x) / (layout.width - LEFT)) * (held.until - held.from)
          state.show(held.from - by, held.until - by)
          tip.value = null
        }}
        onPointerUp={(event) => {
          const held = drag.current
          drag.current = null
          if (held !== null && !held.moved && drawn.current !== null) choose(drawn.current, place(event))
        }}
        onPointerLeave={() => {
          tip.value = null
        }}
      />
      <Tip />
    </div>
  )
}

function Tip(): JSX.Element | null {
  if (tip.value === null) return null
  const { x, y, lines } = tip.value
  return (
    <div class="tip" style={{ left: `${Math.min(x + 14, size.value.width - 280)}px`, top: `${y + 14}px` }}>
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    </div>
  )
}

function laneAt(layout: Layout, y: number): number {
  let best = -1
  let nearest = layout.laneHeight
  for (const [lane, row] of layout.rows.entries()) {
    const far = Math.abs(row - y)
    if (far < nearest) [best, nearest] = [lane, far]
  }
  return best
}

type Found = {
  readonly id: number
  readonly kind: string
  readonly far: number
  readonly from: number
  readonly to: number
  readonly sentAt: number
  readonly tookAt: number
}

/** The message whose arrow passes here. */
function messageAt(layout: Layout, x: number, y: number): Found | null {
  const rows = state.scene.value?.messages ?? []
  let best: Found | null = null
  for (let i = 0; i < rows.length; i += MESSAGE_FIELDS) {
    const [x0, y0] = [layout.x(rows[i + 4]!), layout.rows[rows[i + 2]!]!]
    const isLost = rows[i + 5]! < 0
    const x1 = isLost ? x0 + 14 : layout.x(rows[i + 5]!)
    const y1 = isLost ? y0 + (layout.rows[rows[i + 3]!]! - y0) * 0.35 : layout.rows[rows[i + 3]!]!
    if (Math.max(x0, x1) < x - 6 || Math.min(x0, x1) > x + 6) continue
    const length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    const along =
      length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length))
    const far = Math.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
    if (far > 5 || (best !== null && best.far <= far)) continue
    best = {
      id: rows[i]!,
      kind: MESSAGE_KINDS[rows[i + 1]!]!,
      far,
      from: rows[i + 2]!,
      to: rows[i + 3]!,
      sentAt: rows[i + 4]!,
      tookAt: rows[i + 5]!,
    }
  }
  return best
}

function eventAt(layout: Layout, x: number, y: number): number {
  const events = state.scene.value?.events ?? []
  let best = 0
  let nearest = 7
  for (let i = 0; i < events.length; i += EVENT_FIELDS) {
    const far = Math.hypot(layout.x(events[i + 1]!) - x, (layout.rows[events[i + 2]!]! - y) * 0.6)
    if (far < nearest) [best, nearest] = [events[i]!, far]
  }
  return best
}

function choose(layout: Layout, { x, y }: { readonly x: number; readonly y: number }): void {
  const lane = laneAt(layout, y)
  const store = lane >= 0 && lane < state.storeCount.value ? lane + 1 : null
  if (x < LEFT) {
    if (store !== null) void state.chooseLane(store)
    state.panel.value = "store"
    return
  }
  const event = eventAt(layout, x, y)
  if (event > 0) return void state.look(event)
  const crossing = messageAt(layout, x, y)
  if (crossing !== null) return void state.lookAtMessage(crossing.id)
  void state.lookAtTime(layout.time(x), store)
}

function tipAt(layout: Layout, { x, y }: { readonly x: number; readonly y: number }): typeof tip.value {
  const outline = state.summary.value?.outline
  if (outline === undefined || x < LEFT) return null
  const time = layout.time(x)
  const width = state.view.value.until - state.view.value.from
  const crossing = messageAt(layout, x, y)
  const named = (lane: number): string => outline.lanes[lane]?.name ?? "?"
  if (crossing !== null) {
    const { kind, from, to, sentAt, tookAt } = crossing
    const way = tookAt < 0 ? "never arrived" : `${span(tookAt - sentAt)} under way`
    return { x, y, lines: [`${kind}: ${named(from)} → ${named(to)}`, `left at ${seconds(sentAt)}, ${way}`] }
  }
  const lane = laneAt(layout, y)
  const isNear = (at: number): boolean => Math.abs(layout.x(at) - x) < 6
  const lines: string[] = []
  for (const fault of outline.faults) {
    if (!fault.lanes.includes(lane)) continue
    if ((time < fault.from || time > fault.until) && !isNear(fault.from)) continue
    const args = Object.entries(fault.args).map(([name, value]) => `${name} ${value}`)
    lines.push(`fault ${fault.id}: ${fault.kind}${args.length === 0 ? "" : ` (${args.join(", ")})`}`)
  }
  for (const op of outline.operations) {
    if (op.lane === lane && (time >= op.from || isNear(op.from)) && (time <= op.until || isNear(op.until)))
      lines.push(op.text)
  }
  for (const role of outline.roles) {
    if (
      role.lane === lane &&
      time >= role.from &&
      time <= role.until &&
      (state.group.value === 0 || role.group === state.group.value)
    )
      lines.push(`group ${role.group}: ${role.role} in term ${role.term}`)
  }
  if (lines.length === 0) return null
  return { x, y, lines: [`${named(lane)} at ${seconds(time, width / 8)}`, ...lines.slice(0, 8)] }
}
