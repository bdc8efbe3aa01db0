import type { Edges } from "./edges.ts"

/** Edges by their source: those of vertex `v` are `[offsets[v], offsets[v + 1])`. */
export type Graph = {
  readonly count: number
  readonly offsets: Int32Array
  readonly targets: Int32Array
  readonly kinds: Uint8Array
  readonly keys: Int32Array
}

/** The edges whose kind is in `mask`. */
export function graphOf(count: number, edges: Edges, mask: number): Graph {
  const offsets = new Int32Array(count + 1)
  let edgeCount = 0
  for (let edge = 0; edge < edges.count; edge++) {
    if ((edges.kind[edge]! & mask) === 0) continue
    offsets[edges.from[edge]! + 1]!++
    edgeCount++
  }
  for (let vertex = 0; vertex < count; vertex++) offsets[vertex + 1]! += offsets[vertex]!
  const next = offsets.slice()
  const targets = new Int32Array(edgeCount)
  const kinds = new Uint8Array(edgeCount)
  const keys = new Int32Array(edgeCount)
  for (let edge = 0; edge < edges.count; edge++) {
    if ((edges.kind[edge]! & mask) === 0) continue
    const place = next[edges.from[edge]!]!++
    targets[place] = edges.to[edge]!
    kinds[place] = edges.kind[edge]!
    keys[place] = edges.key[edge]!
  }
  return { count, offsets, targets, kinds, keys }
}

export type Components = {
  /** By vertex the number of its strongly connected component, from 1; 0 for those that lie on no cycle. */
  readonly of: Int32Array
  readonly count: number
}

/**
 * The strongly connected components of more than one vertex, by Tarjan's algorithm (1972) without recursion: depth is as
 * great as the graph. No vertex has an edge to itself.
 *
 * Roots are taken from the end, for a history's later transactions come last: then what an edge leads to is mostly done
 * with already, and searches stay shallow and near.
 */
export function componentsOf({ count, offsets, targets }: Graph): Components {
  const of = new Int32Array(count)
  /** 0: not met; then the number of its visit; `DONE` when its component is known. */
  const visit = new Int32Array(count)
  const low = new Int32Array(count)
  const nextEdge = new Int32Array(count)
  const path = new Int32Array(count)
  const open = new Int32Array(count)
  let [visits, components, openCount] = [0, 0, 0]
  for (let root = count - 1; root >= 0; root--) {
    if (visit[root] !== 0) continue
    let depth = 0
    let vertex = root
    let edge = offsets[vertex]!
    let end = offsets[vertex + 1]!
    visit[vertex] = low[vertex] = ++visits
    open[openCount++] = vertex
    for (;;) {
      if (edge < end) {
        const target = targets[edge++]!
        const met = visit[target]!
        if (met === 0) {
          path[depth++] = vertex
          nextEdge[vertex] = edge
          vertex = target
          edge = offsets[vertex]!
          end = offsets[vertex + 1]!
          visit[vertex] = low[vertex] = ++visits
          open[openCount++] = vertex
        } else if (met < low[vertex]!) low[vertex] = met
        continue
      }
      const lowest = low[vertex]!
      if (lowest === visit[vertex]) {
        if (open[openCount - 1] === vertex) {
          visit[vertex] = DONE
          openCount--
        } else {
          components++
          let member = -1
          while (member !== vertex) {
            member = open[--openCount]!
            visit[member] = DONE
            of[member] = components
          }
        }
      }
      if (depth === 0) break
      vertex = path[--depth]!
      edge = nextEdge[vertex]!
      end = offsets[vertex + 1]!
      if (lowest < low[vertex]!) low[vertex] = lowest
    }
  }
  return { of, count: components }
}

const DONE = 0x7fff_ffff
