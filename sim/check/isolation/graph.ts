import type { Edges } from "./edges.ts"

/** Edges by their source: those of vertex `v` lead to `targets[offsets[v]..offsets[v + 1])`. */
export type Graph = {
  readonly count: number
  readonly offsets: Int32Array
  readonly targets: Int32Array
}

/** `edges[i]` is what leads to `targets[i]`. */
export type LabelledGraph = Graph & { readonly edges: Int32Array }

export function graphOf(count: number, edges: Edges): Graph {
  const offsets = offsetsOf(count, edges)
  const targets = new Int32Array(edges.count)
  // From the end, so that each offset is where its row begins when all are placed.
  for (let edge = edges.count - 1; edge >= 0; edge--) targets[--offsets[edges.from[edge]!]!] = edges.to[edge]!
  return { count, offsets, targets }
}

export function labelledGraphOf(count: number, edges: Edges): LabelledGraph {
  const offsets = offsetsOf(count, edges)
  const targets = new Int32Array(edges.count)
  const labels = new Int32Array(edges.count)
  for (let edge = edges.count - 1; edge >= 0; edge--) {
    const place = --offsets[edges.from[edge]!]!
    targets[place] = edges.to[edge]!
    labels[place] = edge
  }
  return { count, offsets, targets, edges: labels }
}

/** Where the row of each vertex ends, and where the last one does. */
function offsetsOf(count: number, edges: Edges): Int32Array {
  const offsets = new Int32Array(count + 1)
  for (let edge = 0; edge < edges.count; edge++) offsets[edges.from[edge]!]!++
  let end = 0
  for (let vertex = 0; vertex <= count; vertex++) {
    end += offsets[vertex]!
    offsets[vertex] = end
  }
  return offsets
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
