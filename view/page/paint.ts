import { scaleLinear } from "d3-scale"
import { EVENT_FIELDS, MESSAGE_FIELDS, MESSAGE_KINDS } from "../session/messages.ts"
import type { Outline, Scene } from "../session/scene.ts"

/** Colours of the page, read from its style sheet, so that the canvas follows light and dark. */
export type Palette = Readonly<Record<string, string>>

const NAMES = [
  "ground",
  "panel",
  "ink",
  "soft",
  "faint",
  "line",
  "accent",
  "bad",
  "good",
  "leader",
  "candidate",
  "follower",
  "learner",
  "recovering",
  "fault",
  "quiet",
  "m-liveness",
  "m-heartbeat",
  "m-read",
  "m-append",
  "m-snapshot",
  "m-scrub",
  "m-repair",
  "m-transfer",
  "m-vote",
  "m-request",
  "m-reply",
  "m-refusal",
] as const

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement)
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]))
}

export const LEFT = 84
export const TOP = 26

export type Layout = {
  readonly width: number
  readonly height: number
  /** By lane: the middle of its line. */
  readonly rows: readonly number[]
  readonly laneHeight: number
  readonly x: (time: number) => number
  readonly time: (x: number) => number
}

export function layOut(
  outline: Outline,
  view: { readonly from: number; readonly until: number },
  width: number,
  heightMin: number,
): Layout {
  const stores = outline.lanes.filter(({ kind }) => kind === "store").length
  const clients = outline.lanes.length - stores
  const room = heightMin - TOP - 10
  // A client is told in half the height of a store.
  const units = stores + clients * 0.5
  const laneHeight = Math.min(128, Math.max(34, room / Math.max(1, units)))
  const rows: number[] = []
  let y = TOP
  for (const { kind } of outline.lanes) {
    const own = kind === "store" ? laneHeight : laneHeight * 0.5
    rows.push(y + own / 2)
    y += own
  }
  const scale = scaleLinear([view.from, view.until], [LEFT, width - 8])
  return {
    width,
    height: Math.max(heightMin, y + 10),
    rows,
    laneHeight,
    x: (time) => scale(time),
    time: (x) => scale.invert(x),
  }
}

export type Picture = {
  readonly outline: Outline
  readonly scene: Scene | null
  readonly view: { readonly from: number; readonly until: number }
  readonly layout: Layout
  readonly palette: Palette
  /** 0 shows the first group that leads; another number that group. */
  readonly group: number
  readonly lane: number
  readonly cursorAt: number
  readonly violationAt: number | null
  readonly violationLane: number
  /** By lane: until when it is in the cone; null when none is shown. */
  readonly cone: readonly number[] | null
  readonly chain: ReadonlySet<number>
  readonly message: number
}

export function paint(context: CanvasRenderingContext2D, picture: Picture): void {
  const { layout, palette } = picture
  context.clearRect(0, 0, layout.width, layout.height)
  context.lineCap = "butt"
  context.textBaseline = "middle"
  paintQuiet(context, picture)
  paintAxis(context, picture)
  context.save()
  context.beginPath()
  context.rect(LEFT - 1, 0, layout.width - LEFT + 1, layout.height)
  context.clip()
  // Many of them are a ground for what lies on the lanes; a few are the story.
  const isDense = (picture.scene?.messages.length ?? 0) / MESSAGE_FIELDS > DENSE
  if (isDense) paintMessages(context, picture, false)
  paintLanes(context, picture)
  paintFaults(context, picture)
  paintOperations(context, picture)
  paintEvents(context, picture)
  if (picture.cone !== null) paintOutside(context, picture, picture.cone)
  paintAnswers(context, picture)
  if (!isDense) paintMessages(context, picture, false)
  paintMessages(context, picture, true)
  paintCursor(context, picture)
  context.restore()
  paintNames(context, picture)
  context.fillStyle = palette["line"]!
  context.fillRect(LEFT - 1, TOP - 4, 1, layout.height)
}

function paintQuiet(context: CanvasRenderingContext2D, { outline, layout, palette }: Picture): void {
  for (const { from, until } of outline.quiet) {
    const [start, end] = [Math.max(LEFT, layout.x(from)), Math.min(layout.width, layout.x(until))]
    if (end <= start) continue
    context.fillStyle = palette["quiet"]!
    context.fillRect(start, TOP - 4, end - start, layout.height - TOP)
    if (end - start > 60) {
      context.fillStyle = palette["faint"]!
      context.font = "11px system-ui, sans-serif"
      context.textAlign = "right"
      context.fillText("quiet", end - 6, TOP + 5)
    }
  }
}

function paintAxis(context: CanvasRenderingContext2D, { view, layout, palette }: Picture): void {
  const scale = scaleLinear([view.from / 1_000_000, view.until / 1_000_000], [LEFT, layout.width - 8])
  const ticks = Math.max(3, Math.floor((layout.width - LEFT) / 120))
  const told = scale.tickFormat(ticks)
  context.font = "11px ui-monospace, monospace"
  context.textAlign = "center"
  for (const tick of scale.ticks(ticks)) {
    const x = Math.round(scale(tick)) + 0.5
    context.strokeStyle = palette["line"]!
    context.beginPath()
    context.moveTo(x, TOP - 4)
    context.lineTo(x, layout.height)
    context.stroke()
    context.fillStyle = palette["soft"]!
    if (x > LEFT + 26 && x < layout.width - 40) context.fillText(`${told(tick)} s`, x, 11)
  }
}

function paintLanes(context: CanvasRenderingContext2D, { outline, layout, palette, group }: Picture): void {
  for (const [lane, { kind }] of outline.lanes.entries()) {
    if (kind !== "client") continue
    context.strokeStyle = palette["line"]!
    context.beginPath()
    context.moveTo(LEFT, layout.rows[lane]!)
    context.lineTo(layout.width, layout.rows[lane]!)
    context.stroke()
  }
  for (const { lane, from, until, how } of outline.up) {
    const [start, end] = [layout.x(from), layout.x(until)]
    if (end < LEFT || start > layout.width) continue
    const y = layout.rows[lane]!
    context.fillStyle = palette["line"]!
    context.fillRect(start, y - 1, end - start, 2)
    if (how !== "") {
      context.strokeStyle = palette["bad"]!
      context.lineWidth = 1.5
      context.beginPath()
      context.moveTo(end - 4, y - 4)
      context.lineTo(end + 4, y + 4)
      context.moveTo(end + 4, y - 4)
      context.lineTo(end - 4, y + 4)
      context.stroke()
      context.lineWidth = 1
    }
  }
  const shownGroups = group === 0 ? outline.groups : [group]
  const thickness = Math.max(3, Math.min(10, (layout.laneHeight * 0.42) / Math.max(1, shownGroups.length)))
  context.font = "10px ui-monospace, monospace"
  context.textAlign = "left"
  for (const band of outline.roles) {
    const place = shownGroups.indexOf(band.group)
    if (place < 0) continue
    const [start, end] = [
      Math.max(LEFT - 4, layout.x(band.from)),
      Math.min(layout.width + 4, layout.x(band.until)),
    ]
    if (end < LEFT || start > layout.width) continue
    const middle = layout.rows[band.lane]!
    const y = middle - (thickness * shownGroups.length) / 2 + place * thickness
    context.fillStyle = palette[band.role] ?? palette["follower"]!
    context.globalAlpha = band.role === "follower" ? 0.4 : 1
    context.fillRect(start, y + 0.5, Math.max(1.5, end - start), thickness - 1)
    context.globalAlpha = 1
    if (band.role !== "leader" && shownGroups.length > 1) continue
    const text = `${shownGroups.length > 1 ? `g${band.group} ` : ""}t${band.term}`
    if (end - start < text.length * 6 + 8 || (thickness < 8 && layout.laneHeight < 40)) continue
    if (place > 0) continue
    context.fillStyle = palette["soft"]!
    context.fillText(text, Math.max(start, LEFT) + 4, y - 7)
  }
}

function paintFaults(context: CanvasRenderingContext2D, { outline, layout, palette }: Picture): void {
  context.font = "10px system-ui, sans-serif"
  context.textAlign = "left"
  const taken = new Map<number, { readonly until: number; readonly slot: number }[]>()
  for (const { id, kind, from, until, lanes, applied } of outline.faults) {
    const [start, end] = [layout.x(from), layout.x(until)]
    if (end < LEFT - 40 || start > layout.width) continue
    for (const lane of lanes) {
      const own = taken.get(lane) ?? []
      taken.set(lane, own)
      const busy = own.filter((each) => each.until > start - 2).map(({ slot }) => slot)
      const slot = [0, 1, 2].find((each) => !busy.includes(each)) ?? 2
      own.push({ until: Math.max(end, start + 30), slot })
      const half = outline.lanes[lane]!.kind === "store" ? layout.laneHeight * 0.38 : layout.laneHeight * 0.16
      const y = layout.rows[lane]! + half - slot * 7
      context.fillStyle = palette["fault"]!
      context.globalAlpha = applied ? 0.9 : 0.35
      context.fillRect(start, y - 2, Math.max(2.5, end - start), 4)
      context.globalAlpha = 1
      if (end === start) {
        context.beginPath()
        context.moveTo(start - 4, y)
        context.lineTo(start, y - 5)
        context.lineTo(start + 4, y)
        context.lineTo(start, y + 5)
        context.fill()
      }
      if (lane === lanes[0] && slot === 0) {
        const text = `${kind} #${id}`
        const at = Math.max(LEFT + 4, start + (end === start ? 7 : 2))
        if (end - start <= text.length * 5 && end !== start && end <= layout.width) continue
        context.fillStyle = palette["ground"]!
        context.fillRect(at - 2, y - 14, context.measureText(text).width + 4, 11)
        context.fillStyle = palette["fault"]!
        context.fillText(text, at, y - 8)
      }
    }
  }
}

function paintOperations(context: CanvasRenderingContext2D, { outline, layout, palette }: Picture): void {
  for (const { lane, from, until, outcome } of outline.operations) {
    const [start, end] = [layout.x(from), layout.x(until)]
    if (end < LEFT || start > layout.width) continue
    const name = outcome === "ok" ? "good" : outcome === "fail" ? "bad" : "candidate"
    context.fillStyle = palette[name]!
    context.globalAlpha = 0.75
    context.fillRect(start, layout.rows[lane]! - 2.5, Math.max(2, end - start), 5)
    context.globalAlpha = 1
  }
}

/** What was asked and heard, where there is room for it before the next operation of the client. */
function paintAnswers(context: CanvasRenderingContext2D, { outline, layout, palette }: Picture): void {
  context.font = "10px ui-monospace, monospace"
  context.textAlign = "left"
  context.fillStyle = palette["soft"]!
  const room = new Map<number, number>()
  // From the last to the first: each knows where the next one begins.
  for (let index = outline.operations.length - 1; index >= 0; index--) {
    const { lane, from, until, text } = outline.operations[index]!
    const start = layout.x(from)
    const end = room.get(lane) ?? layout.width
    room.set(lane, start)
    const at = Math.max(layout.x(until), start + 2) + 8
    if (end - at < 40) continue
    const told = text.replace(/^op \d+: /, "").replace(/ → ok(?: |$)/, " → ")
    if (start < layout.width && at > LEFT && at + told.length * 6.1 < end)
      context.fillText(told.replace(/ → $/, ""), at, layout.rows[lane]! - 8)
  }
}

/** More arrows than this are drawn the paler, and without heads. */
const DENSE = 500

/** Those that were chosen, by hand or for their part in a cone, or the others. */
function paintMessages(context: CanvasRenderingContext2D, picture: Picture, isChosen: boolean): void {
  const { scene, layout, palette, chain, message, cone } = picture
  if (scene === null) return
  const isOutside = (from: number, to: number, sentAt: number, tookAt: number): boolean =>
    cone !== null && (sentAt > cone[from]! || (tookAt >= 0 && tookAt > cone[to]!))
  const { messages } = scene
  const count = messages.length / MESSAGE_FIELDS
  const isDense = count > DENSE
  const strength = isDense ? Math.max(0.1, (0.6 * DENSE) / count) : 0.8
  for (let i = 0; i < messages.length; i += MESSAGE_FIELDS) {
    const id = messages[i]!
    if ((chain.has(id) || id === message) !== isChosen) continue
    const [kind, from, to] = [messages[i + 1]!, messages[i + 2]!, messages[i + 3]!]
    const [sentAt, tookAt] = [messages[i + 4]!, messages[i + 5]!]
    const x0 = layout.x(sentAt)
    const isLost = tookAt < 0
    const x1 = isLost ? x0 + 14 : layout.x(tookAt)
    if (x1 < LEFT || x0 > layout.width) continue
    const y0 = layout.rows[from]!
    const y1 = isLost ? y0 + (layout.rows[to]! - y0) * 0.35 : layout.rows[to]!
    const isFaded = !isChosen && isOutside(from, to, sentAt, tookAt)
    const name = id === message ? "accent" : isChosen ? "bad" : `m-${MESSAGE_KINDS[kind]!}`
    context.strokeStyle = palette[name]!
    context.globalAlpha = isChosen ? 1 : strength * (isFaded ? 0.3 : 1)
    context.lineWidth = isChosen ? 2 : 1
    context.beginPath()
    context.moveTo(x0, y0)
    context.lineTo(x1, y1)
    context.stroke()
    if (isLost) {
      context.beginPath()
      context.moveTo(x1 - 3, y1 - 3)
      context.lineTo(x1 + 3, y1 + 3)
      context.moveTo(x1 + 3, y1 - 3)
      context.lineTo(x1 - 3, y1 + 3)
      context.stroke()
    } else if (!isDense || isChosen) paintHead(context, x0, y0, x1, y1)
  }
  context.globalAlpha = 1
  context.lineWidth = 1
}

function paintHead(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  const length = Math.hypot(x1 - x0, y1 - y0)
  if (length < 8) return
  const [dx, dy] = [(x1 - x0) / length, (y1 - y0) / length]
  context.fillStyle = context.strokeStyle
  context.beginPath()
  context.moveTo(x1, y1)
  context.lineTo(x1 - dx * 7 - dy * 3, y1 - dy * 7 + dx * 3)
  context.lineTo(x1 - dx * 7 + dy * 3, y1 - dy * 7 - dx * 3)
  context.fill()
}

function paintEvents(context: CanvasRenderingContext2D, { scene, layout, palette }: Picture): void {
  if (scene === null) return
  const { events, density, from, until } = scene
  if (events.length > 0) {
    const isDense = events.length / EVENT_FIELDS > 1_500
    context.fillStyle = palette["ink"]!
    context.globalAlpha = isDense ? 0.35 : 0.75
    for (let i = 0; i < events.length; i += EVENT_FIELDS) {
      const x = layout.x(events[i + 1]!)
      if (x < LEFT || x > layout.width) continue
      const y = layout.rows[events[i + 2]!]!
      if (isDense) context.fillRect(x - 0.5, y - 3, 1, 6)
      else {
        context.beginPath()
        context.arc(x, y, 2.2, 0, 7)
        context.fill()
      }
    }
  } else {
    // Too many to tell apart: how many there are, part by part.
    const most = Math.max(1, ...density.flat())
    const part = (until - from) / Math.max(1, density[0]?.length ?? 1)
    context.fillStyle = palette["ink"]!
    context.globalAlpha = 0.3
    for (const [lane, counts] of density.entries()) {
      for (const [index, count] of counts.entries()) {
        if (count === 0) continue
        const x = layout.x(from + index * part)
        const height = (count / most) * layout.laneHeight * 0.5 + 1
        context.fillRect(
          x,
          layout.rows[lane]! - height / 2,
          Math.max(1, layout.x(from + part) - layout.x(from) - 0.5),
          height,
        )
      }
    }
  }
  context.globalAlpha = 1
}

/** What is not in the cone stands back. */
function paintOutside(
  context: CanvasRenderingContext2D,
  { layout, palette, outline }: Picture,
  until: readonly number[],
): void {
  context.fillStyle = palette["ground"]!
  context.globalAlpha = 0.72
  for (const [lane, { kind }] of outline.lanes.entries()) {
    const end = until[lane]!
    const x = end < 0 ? LEFT : Math.max(LEFT, layout.x(end) + 3)
    const half = (kind === "store" ? layout.laneHeight : layout.laneHeight * 0.5) / 2
    context.fillRect(x, layout.rows[lane]! - half, Math.max(0, layout.width - x), half * 2)
  }
  context.globalAlpha = 1
}

function paintCursor(context: CanvasRenderingContext2D, picture: Picture): void {
  const { layout, palette, cursorAt, lane, violationAt, violationLane } = picture
  if (violationAt !== null) {
    const x = layout.x(violationAt)
    context.strokeStyle = palette["bad"]!
    context.setLineDash([4, 3])
    context.beginPath()
    context.moveTo(x, TOP - 4)
    context.lineTo(x, layout.height)
    context.stroke()
    context.setLineDash([])
    const y = layout.rows[violationLane]
    if (y !== undefined) {
      context.lineWidth = 2
      context.beginPath()
      context.arc(x, y, 9, 0, 7)
      context.stroke()
      context.lineWidth = 1
    }
  }
  const x = Math.round(layout.x(cursorAt)) + 0.5
  context.strokeStyle = palette["accent"]!
  context.beginPath()
  context.moveTo(x, TOP - 4)
  context.lineTo(x, layout.height)
  context.stroke()
  const y = layout.rows[lane - 1]
  if (y === undefined) return
  context.fillStyle = palette["accent"]!
  context.beginPath()
  context.arc(layout.x(cursorAt), y, 4.5, 0, 7)
  context.fill()
}

function paintNames(context: CanvasRenderingContext2D, { outline, layout, palette, lane }: Picture): void {
  context.textAlign = "right"
  for (const [index, { name, kind }] of outline.lanes.entries()) {
    const isChosen = index === lane - 1
    context.font = `${isChosen ? "600 " : ""}${kind === "store" ? 12 : 11}px system-ui, sans-serif`
    context.fillStyle = isChosen ? palette["accent"]! : kind === "store" ? palette["ink"]! : palette["soft"]!
    context.fillText(name, LEFT - 12, layout.rows[index]!)
  }
}
