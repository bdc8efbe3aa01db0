import { invariant } from "../lib/invariant.ts"
import { lowerBound, upperBound } from "../lib/sorted.ts"

/** Most entries of a leaf and most children of a branch: about what one line of pointers and one binary search like. */
const FANOUT_MAX = 32
/** A node with fewer is merged with a neighbour or takes from it; the root and the right edge may have fewer. */
const FANOUT_MIN = 8

/** Rows that a walk copies rather than hold on to the node they are in. */
const STAND_ALONE_MAX = 4

/** Who may change a node in place: only the tree that holds the same object. */
type Edit = { readonly type: "edit" }

/**
 * A leaf (`children` null) or a branch (`values` null), of one shape so that searches stay monomorphic.
 * Branch: `keys[i]` is a lower bound of everything in `children[i + 1]` and above everything before it.
 */
type Node<Value> = {
  readonly edit: Edit | null
  keys: string[]
  values: Value[] | null
  children: Node<Value>[] | null
}

/**
 * An ordered map from byte strings, as a copy-on-write B+tree.
 *
 * A snapshot shares all nodes. A node belongs to the edit that made it; while the tree still holds that
 * edit, it changes the node in place, and a snapshot (or an open cursor) takes the edit away, so the next
 * write copies the path it touches and no more. That is what makes both a run of writes and a snapshot
 * cheap. Ownership by token: Bagwell and Hickey's transients in Clojure.
 */
export class Tree<Value> {
  #root: Node<Value>
  #size: number
  #edit: Edit | null = null
  /** Of the split just done: the lower bound of its right half. */
  #separator = ""
  /** What the key of the put under way had before. */
  #replaced: Value | undefined = undefined

  constructor() {
    this.#root = { edit: null, keys: [], values: [], children: null }
    this.#size = 0
  }

  get size(): number {
    return this.#size
  }

  /** A tree with this content; neither sees what is written to the other from now on. O(1). */
  snapshot(): Tree<Value> {
    const copy = new Tree<Value>()
    copy.#root = this.#root
    copy.#size = this.#size
    this.#edit = null
    return copy
  }

  get(key: string): Value | undefined {
    let node = this.#root
    while (node.children !== null) node = node.children[upperBound(node.keys, key)]!
    const keys = node.keys
    const at = lowerBound(keys, key)
    return at < keys.length && keys[at] === key ? node.values![at] : undefined
  }

  /**
   * Entries in `[start, end)`, an empty `end` is unbounded, as they are now; from the last to the first
   * when `reverse`.
   */
  cursor(start: string, end: string, reverse: boolean): TreeCursor<Value> {
    const cursor = new TreeCursor(this.#root, start, end, reverse)
    // Most look at a row or two, or find nothing: such a walk costs the writes after it no copy of their path.
    if (!cursor.standAlone()) this.#edit = null
    return cursor
  }

  /** Gives what the key had before; undefined when it is new. */
  put(key: string, value: Value): Value | undefined {
    const root = this.#own(this.#root)
    this.#root = root
    const right = this.#insert(root, key, value, true)
    if (right !== null) {
      this.#root = { edit: this.#edit, keys: [this.#separator], values: null, children: [root, right] }
    }
    const replaced = this.#replaced
    this.#replaced = undefined
    return replaced
  }

  /** Whether the key was there. */
  delete(key: string): boolean {
    // Looked up first: a key that is not there should copy no path.
    if (this.get(key) === undefined) return false
    let root = this.#own(this.#root)
    this.#remove(root, key)
    if (root.children !== null && root.children.length === 1) root = root.children[0]!
    this.#root = root
    this.#size--
    invariant(this.#size >= 0, "Cannot delete: the size of the tree is wrong")
    return true
  }

  #own(node: Node<Value>): Node<Value> {
    if (this.#edit === null) this.#edit = { type: "edit" }
    if (node.edit === this.#edit) return node
    return {
      edit: this.#edit,
      keys: node.keys.slice(),
      values: node.values === null ? null : node.values.slice(),
      children: node.children === null ? null : node.children.slice(),
    }
  }

  /** `node` is owned. Returns its new right neighbour when it was full, with `#separator` between them. */
  #insert(node: Node<Value>, key: string, value: Value, rightEdge: boolean): Node<Value> | null {
    const { keys, children } = node
    if (children === null) {
      const values = node.values!
      const at = lowerBound(keys, key)
      if (at < keys.length && keys[at] === key) {
        this.#replaced = values[at]
        values[at] = value
        return null
      }
      this.#size++
      insertAt(keys, at, key)
      insertAt(values, at, value)
      if (keys.length <= FANOUT_MAX) return null
      // Keys that arrive in ascending order leave full leaves behind them. Only at the right edge of the
      // tree: elsewhere a descending run would leave a leaf for each key.
      return this.#split(node, rightEdge && at === keys.length - 1 ? FANOUT_MAX : FANOUT_MAX >>> 1)
    }
    const at = upperBound(keys, key)
    const child = this.#own(children[at]!)
    children[at] = child
    const isLast = rightEdge && at === children.length - 1
    const right = this.#insert(child, key, value, isLast)
    if (right === null) return null
    insertAt(keys, at, this.#separator)
    insertAt(children, at + 1, right)
    if (children.length <= FANOUT_MAX) return null
    // Two children at least on either side, so that every node below the root has a neighbour.
    return this.#split(node, isLast ? FANOUT_MAX - 1 : FANOUT_MAX >>> 1)
  }

  /** Keeps the first `count` entries or children in `node`, which is owned; returns the rest. */
  #split(node: Node<Value>, count: number): Node<Value> {
    const { keys, values, children } = node
    if (children === null) {
      const right = {
        edit: this.#edit,
        keys: keys.slice(count),
        values: values!.slice(count),
        children: null,
      }
      keys.length = count
      values!.length = count
      this.#separator = right.keys[0]!
      return right
    }
    const right = { edit: this.#edit, keys: keys.slice(count), values: null, children: children.slice(count) }
    this.#separator = keys[count - 1]!
    keys.length = count - 1
    children.length = count
    return right
  }

  /** `node` is owned and holds the key. */
  #remove(node: Node<Value>, key: string): void {
    const { keys, children } = node
    if (children === null) {
      const at = lowerBound(keys, key)
      invariant(keys[at] === key, "Cannot delete: a key that was found is gone")
      removeAt(keys, at)
      removeAt(node.values!, at)
      return
    }
    const at = upperBound(keys, key)
    const child = this.#own(children[at]!)
    children[at] = child
    this.#remove(child, key)
    const count = child.children === null ? child.keys.length : child.children.length
    if (count < FANOUT_MIN) this.#level(node, at > 0 ? at - 1 : at)
  }

  /** Merges the children `at` and `at + 1` of an owned branch, or shares their content out evenly. */
  #level(node: Node<Value>, at: number): void {
    const keys = node.keys
    const children = node.children!
    const left = this.#own(children[at]!)
    const right = this.#own(children[at + 1]!)
    children[at] = left
    children[at + 1] = right
    if (left.children === null) {
      for (let i = 0; i < right.keys.length; i++) {
        left.keys.push(right.keys[i]!)
        left.values!.push(right.values![i]!)
      }
    } else {
      left.keys.push(keys[at]!)
      for (const key of right.keys) left.keys.push(key)
      for (const child of right.children!) left.children.push(child)
    }
    const count = left.children === null ? left.keys.length : left.children.length
    if (count <= FANOUT_MAX) {
      removeAt(keys, at)
      removeAt(children, at + 1)
      return
    }
    children[at + 1] = this.#split(left, count >>> 1)
    keys[at] = this.#separator
  }
}

/** A walk over the nodes it was opened on, which nobody changes any more. */
export class TreeCursor<Value> {
  readonly #root: Node<Value>
  readonly #start: string
  readonly #end: string
  readonly #reverse: boolean
  /**
   * The branches above the leaf, and the child taken in each. Only once the walk leaves its first leaf:
   * most look at a row or two.
   */
  #branches: Node<Value>[] | null = null
  #positions: number[] | null = null
  #keys: string[]
  #values: Value[]
  /** In the leaf: where we are, and the first index out of bounds in the direction of the walk. */
  #at = 0
  #stop = 0
  valid = false

  constructor(root: Node<Value>, start: string, end: string, reverse: boolean) {
    this.#root = root
    this.#start = start
    this.#end = end
    this.#reverse = reverse
    let node = root
    while (node.children !== null) node = node.children[this.#childOf(node)]!
    this.#keys = node.keys
    this.#values = node.values!
    if (reverse) this.#at = end === "" ? node.keys.length - 1 : lowerBound(node.keys, end) - 1
    else this.#at = lowerBound(node.keys, start)
    this.#bound()
    this.#settle()
  }

  /**
   * Whether all that is left of the walk is in its own hands, so that no node it was opened on matters any more:
   * a few rows that end within the leaf are copied. To ask once, before the first step.
   */
  standAlone(): boolean {
    if (!this.valid) return true
    const first = this.#reverse ? this.#stop + 1 : this.#at
    const last = this.#reverse ? this.#at : this.#stop - 1
    // What reaches the end of a leaf may go on in the next one.
    const endsHere = this.#reverse ? this.#stop >= 0 : this.#stop < this.#keys.length
    if (!endsHere || last - first >= STAND_ALONE_MAX) return false
    // With one more of it behind the bound, which is what says that the walk ends there.
    const from = this.#reverse ? first - 1 : first
    const to = this.#reverse ? last + 1 : last + 2
    this.#keys = this.#keys.slice(from, to)
    this.#values = this.#values.slice(from, to)
    this.#at -= from
    this.#stop -= from
    return true
  }

  get key(): string {
    invariant(this.valid, "Cannot read a cursor: it has left its bounds")
    return this.#keys[this.#at]!
  }

  get value(): Value {
    invariant(this.valid, "Cannot read a cursor: it has left its bounds")
    return this.#values[this.#at]!
  }

  next(): void {
    invariant(this.valid, "Cannot move a cursor: it has left its bounds")
    if (this.#reverse) this.#at--
    else this.#at++
    if (this.#at === this.#stop) this.#settle()
  }

  /** The bound is looked for once a leaf, so that a step within it compares no strings. */
  #bound(): void {
    const keys = this.#keys
    if (this.#reverse) {
      this.#stop = keys.length > 0 && keys[0]! < this.#start ? lowerBound(keys, this.#start) - 1 : -1
    } else {
      const inside = this.#end === "" || keys.length === 0 || keys[keys.length - 1]! < this.#end
      this.#stop = inside ? keys.length : lowerBound(keys, this.#end)
    }
  }

  /** Goes on to the next leaf that has something, unless the bound lies in this one. */
  #settle(): void {
    if (this.#reverse) {
      while (this.#at <= this.#stop) {
        if (this.#stop >= 0 || !this.#nextLeaf(-1)) {
          this.valid = false
          return
        }
        this.#at = this.#keys.length - 1
        this.#bound()
      }
    } else {
      while (this.#at >= this.#stop) {
        if (this.#stop < this.#keys.length || !this.#nextLeaf(1)) {
          this.valid = false
          return
        }
        this.#at = 0
        this.#bound()
      }
    }
    this.valid = true
  }

  /** The child in which the walk begins. */
  #childOf(branch: Node<Value>): number {
    if (!this.#reverse) return upperBound(branch.keys, this.#start)
    return this.#end === "" ? branch.children!.length - 1 : lowerBound(branch.keys, this.#end)
  }

  #nextLeaf(step: 1 | -1): boolean {
    const branches = (this.#branches ??= [])
    const positions = (this.#positions ??= [])
    if (branches.length === 0) {
      for (let node = this.#root; node.children !== null;) {
        const at = this.#childOf(node)
        branches.push(node)
        positions.push(at)
        node = node.children[at]!
      }
    }
    let depth = branches.length - 1
    for (; depth >= 0; depth--) {
      const at = positions[depth]! + step
      if (at >= 0 && at < branches[depth]!.children!.length) break
    }
    if (depth < 0) return false
    positions[depth] = positions[depth]! + step
    let node = branches[depth]!.children![positions[depth]!]!
    for (depth++; node.children !== null; depth++) {
      const at = step === 1 ? 0 : node.children.length - 1
      branches[depth] = node
      positions[depth] = at
      node = node.children[at]!
    }
    invariant(depth === branches.length, "Cannot walk the tree: its leaves lie at different depths")
    this.#keys = node.keys
    this.#values = node.values!
    return true
  }
}

/** By hand: `splice` allocates what it removes, and costs several times as much at this length. */
function insertAt<Item>(items: Item[], at: number, item: Item): void {
  items.push(item)
  for (let i = items.length - 1; i > at; i--) items[i] = items[i - 1]!
  items[at] = item
}

function removeAt(items: unknown[], at: number): void {
  for (let i = at + 1; i < items.length; i++) items[i - 1] = items[i]
  items.pop()
}
