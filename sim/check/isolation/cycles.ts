import { ANTI, Edges, PRW, PROCESS, REAL_TIME, RW, THROUGH, WR, WW } from "./edges.ts"
import type { CycleName, CycleVariant } from "./findings.ts"
import { type Components, componentsOf, graphOf, labelledGraphOf, type LabelledGraph } from "./graph.ts"

/**
 * Which cycles there are among transactions that no level allows, and what they are called.
 *
 * SNAPSHOT allows cycles, if two anti-dependencies follow one another with a SNAPSHOT transaction between them, and no
 * others (Fekete et al. 2005; Cerone and Gotsman 2016, theorem 9). So a vertex that is SNAPSHOT is split: who came to
 * it by an anti-dependency may not leave by one. What is a cycle then, in a graph of at most twice the size, is
 * forbidden; whether there is one takes linear time, whatever the levels of the transactions.
 *
 * A forbidden cycle is then looked for in each class, the worst first, and the shortest is told: shortest of those
 * that a bounded search came upon.
 */
export type Cycle = {
  readonly name: CycleName
  readonly variant: CycleVariant
  /** `steps[i]` leads from its transaction to that of the next step, and the last to the first. */
  readonly steps: readonly Step[]
}

export type Step = { readonly from: number; readonly kind: number; readonly key: number }

/** Edges that a search for one class may follow. */
const SEARCH_EDGES_MAX = 4_000_000

const VARIANTS: readonly (readonly [CycleVariant, number])[] = [
  ["", 0],
  ["-process", PROCESS],
  ["-realtime", PROCESS | REAL_TIME],
]

export type CycleInput = {
  readonly edges: Edges
  readonly vertexCount: number
  readonly transactionCount: number
  /** Whether a transaction may stand between two anti-dependencies. */
  isSplit(transaction: number): boolean
}

/** One cycle of each name that occurs, or none at all if every level is kept. */
export function findCycles(input: CycleInput): readonly Cycle[] {
  const components = componentsOf(graphOf(input.vertexCount, input.edges))
  if (components.count === 0) return []
  const part = new Part(components, input)
  const { graph } = part.states(~0, (vertex) => part.isSplit(vertex))
  if (componentsOf(graph).count === 0) return []
  return part.name()
}

/** What lies on cycles, with vertices of its own numbering. */
class Part {
  readonly #edges: Edges
  readonly #count: number
  /** By own number the vertex of the whole. */
  readonly #vertices: Int32Array
  readonly #input: CycleInput

  constructor({ of }: Components, input: CycleInput) {
    this.#input = input
    const own = new Int32Array(input.vertexCount).fill(-1)
    let count = 0
    for (let v = 0; v < input.vertexCount; v++) if (of[v] !== 0) own[v] = count++
    this.#count = count
    this.#vertices = new Int32Array(count)
    for (let v = 0; v < input.vertexCount; v++) if (of[v] !== 0) this.#vertices[own[v]!] = v
    const { from, to, kind, key, count: edgeCount } = input.edges
    this.#edges = new Edges(count * 4)
    for (let edge = 0; edge < edgeCount; edge++) {
      const component = of[from[edge]!]!
      if (component === 0 || of[to[edge]!] !== component) continue
      this.#edges.add(own[from[edge]!]!, own[to[edge]!]!, kind[edge]!, key[edge]!)
    }
  }

  isSplit(vertex: number): boolean {
    return this.#input.isSplit(this.#vertices[vertex]!)
  }

  #isHelper(vertex: number): boolean {
    return this.#vertices[vertex]! >= this.#input.transactionCount
  }

  /**
   * Vertex `v + count` is `v` when an anti-dependency led to it. A helper keeps the two apart as well, for it hands on
   * the kind it came in by.
   */
  states(mask: number, isSplit: (vertex: number) => boolean): States {
    const count = this.#count
    const { from, to, kind, key } = this.#edges
    const keepsApart = new Uint8Array(count)
    for (let v = 0; v < count; v++) keepsApart[v] = this.#isHelper(v) ? 2 : isSplit(v) ? 1 : 0
    const states = new Edges(this.#edges.count + count)
    for (let edge = 0; edge < this.#edges.count; edge++) {
      const [source, target, is, about] = [from[edge]!, to[edge]!, kind[edge]!, key[edge]!]
      if ((is & (mask | THROUGH)) === 0) continue
      const after = keepsApart[target] === 0 ? target : target + count
      if (is === THROUGH) {
        states.add(source, target, is, about)
        states.add(source + count, after, is, about)
      } else if ((is & ANTI) !== 0) {
        states.add(source, after, is, about)
      } else {
        states.add(source, target, is, about)
        if (keepsApart[source] !== 0) states.add(source + count, target, is, about)
      }
    }
    return { edges: states, graph: labelledGraphOf(count * 2, states) }
  }

  name(): readonly Cycle[] {
    const cycles = new Map<string, Cycle>()
    const keep = (cycle: Cycle | null): void => {
      if (cycle === null) return
      const id = cycle.name + cycle.variant
      const known = cycles.get(id)
      if (known === undefined || known.steps.length > cycle.steps.length) cycles.set(id, cycle)
    }
    const splitAll = (): boolean => true
    const splitNone = (): boolean => false
    const splitThose = (vertex: number): boolean => this.isSplit(vertex)
    const names = new Set<CycleName>()
    for (const [, order] of VARIANTS) {
      const classes: readonly (readonly [CycleName, () => Cycle | null])[] = [
        ["G0", () => this.#shortest(WW | order, splitNone, WW)],
        ["G1c", () => this.#shortest(WW | WR | order, splitNone, WR)],
        ["G-single", () => this.#shortestSingle(order)],
        ["G-nonadjacent", () => this.#shortest(WW | WR | ANTI | order, splitAll, ANTI)],
        ["G2-item", () => this.#shortest(WW | WR | RW | order, splitThose, RW)],
        ["G2", () => this.#shortest(WW | WR | ANTI | order, splitThose, PRW)],
      ]
      // A class that occurs without the help of an order is not looked for again with it.
      for (const [name, search] of classes) if (!names.has(name)) keep(search())
      for (const { name } of cycles.values()) names.add(name)
    }
    return [...cycles.values()]
  }

  /** The shortest cycle with an edge of kind `needed`, over edges of these kinds. */
  #shortest(mask: number, isSplit: (vertex: number) => boolean, needed: number): Cycle | null {
    const states = this.states(mask, isSplit)
    const components = componentsOf(states.graph)
    if (components.count === 0) return null
    const search = new Search(states, components, this.#count, (vertex) => this.#isHelper(vertex))
    const { from, to, kind, key, count } = states.edges
    for (let edge = 0; edge < count; edge++) {
      const component = components.of[from[edge]!]!
      if ((kind[edge]! & needed) === 0 || component === 0 || component !== components.of[to[edge]!]) continue
      search.tryStep(from[edge]!, kind[edge]!, key[edge]!, to[edge]!)
    }
    return this.#named(search.best)
  }

  /** The shortest cycle with exactly one anti-dependency: one, and a way back without any. */
  #shortestSingle(order: number): Cycle | null {
    const all = this.states(WW | WR | ANTI | order, () => true)
    const components = componentsOf(all.graph)
    if (components.count === 0) return null
    const back = this.states(WW | WR | order, () => true)
    const search = new Search(back, null, this.#count, (vertex) => this.#isHelper(vertex))
    const { from, to, kind, key, count } = all.edges
    for (let edge = 0; edge < count; edge++) {
      const component = components.of[from[edge]!]!
      if ((kind[edge]! & ANTI) === 0 || component === 0 || component !== components.of[to[edge]!]) continue
      search.tryStep(from[edge]!, kind[edge]!, key[edge]!, to[edge]!)
    }
    return this.#named(search.best)
  }

  #named(states: readonly StateStep[] | null): Cycle | null {
    if (states === null) return null
    const steps = withoutRepeats(states, this.#count).map(({ state, kind, key }) => ({
      from: this.#vertices[state % this.#count]!,
      kind,
      key,
    }))
    const kinds = steps.map(({ kind }) => kind)
    const isAnti = kinds.map((kind) => (kind & ANTI) !== 0)
    const antiCount = isAnti.filter(Boolean).length
    const isAdjacent = antiCount > 1 && isAnti.some((is, i) => is && isAnti[(i + 1) % isAnti.length])
    let name: CycleName = "G0"
    if (isAdjacent) name = kinds.includes(PRW) ? "G2" : "G2-item"
    else if (antiCount > 1) name = "G-nonadjacent"
    else if (antiCount === 1) name = "G-single"
    else if (kinds.includes(WR)) name = "G1c"
    const variant = kinds.includes(REAL_TIME) ? "-realtime" : kinds.includes(PROCESS) ? "-process" : ""
    return { name, variant, steps }
  }
}

type States = { readonly edges: Edges; readonly graph: LabelledGraph }

type StateStep = { readonly state: number; readonly kind: number; readonly key: number }

/**
 * A closed walk may pass a transaction in both of its states. The part from where an anti-dependency led to it up to where
 * another edge did is a cycle by itself, and as forbidden as the whole.
 */
function withoutRepeats(walk: readonly StateStep[], count: number): readonly StateStep[] {
  for (let i = 0; i < walk.length; i++) {
    const { state } = walk[i]!
    if (state < count) continue
    const again = walk.findIndex((step) => step.state === state - count)
    if (again < 0) continue
    const turned = [...walk.slice(i), ...walk.slice(0, i)]
    return withoutRepeats(turned.slice(0, (again - i + walk.length) % walk.length), count)
  }
  return walk
}

/**
 * Shortest ways back, breadth first. A step to a helper costs nothing, for it stands for no transaction: such steps
 * are taken within a round, the others make the next one.
 */
class Search {
  best: readonly StateStep[] | null = null
  readonly #states: States
  readonly #components: Components | null
  readonly #count: number
  readonly #isHelper: (vertex: number) => boolean
  readonly #seenIn: Int32Array
  readonly #cameBy: Int32Array
  #round = 0
  #left = SEARCH_EDGES_MAX

  constructor(
    states: States,
    components: Components | null,
    count: number,
    isHelper: (vertex: number) => boolean,
  ) {
    this.#states = states
    this.#components = components
    this.#count = count
    this.#isHelper = isHelper
    this.#seenIn = new Int32Array(states.graph.count)
    this.#cameBy = new Int32Array(states.graph.count)
  }

  /** A step from `source` to `target` and the shortest way from there to `source`, if shorter than the best. */
  tryStep(source: number, kind: number, key: number, target: number): void {
    if (this.#left <= 0 || this.best?.length === 2) return
    const stepsMax = (this.best?.length ?? Infinity) - 1
    if (!this.#reach(target, source, stepsMax)) return
    const steps: StateStep[] = []
    const { edges } = this.#states
    let state = source
    while (state !== target) {
      const edge = this.#cameBy[state]!
      state = edges.from[edge]!
      steps.push({ state, kind: edges.kind[edge]!, key: edges.key[edge]! })
    }
    steps.push({ state: source, kind, key })
    steps.reverse()
    // What leads into a helper goes on along all that leads out of it.
    const joined = steps.filter(({ state }) => !this.#isHelper(state % this.#count))
    if (this.best === null || joined.length < this.best.length) this.best = joined
  }

  #reach(start: number, goal: number, stepsMax: number): boolean {
    const { offsets, targets, edges } = this.#states.graph
    const round = ++this.#round
    this.#seenIn[start] = round
    let now = [start]
    for (
      let steps = this.#isHelper(start % this.#count) ? 0 : 1;
      steps < stepsMax && now.length > 0;
      steps++
    ) {
      const next: number[] = []
      for (let i = 0; i < now.length; i++) {
        const state = now[i]!
        this.#left -= offsets[state + 1]! - offsets[state]!
        if (this.#left <= 0) return false
        for (let edge = offsets[state]!; edge < offsets[state + 1]!; edge++) {
          const target = targets[edge]!
          if (this.#seenIn[target] === round) continue
          if (this.#components !== null && this.#components.of[target] !== this.#components.of[goal]) continue
          this.#seenIn[target] = round
          this.#cameBy[target] = edges[edge]!
          if (target === goal) return true
          if (this.#isHelper(target % this.#count)) now.push(target)
          else next.push(target)
        }
      }
      now = next
    }
    return false
  }
}
