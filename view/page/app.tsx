import { signal, type Signal } from "@preact/signals"
import type { JSX } from "preact"
import { useEffect } from "preact/hooks"
import { Diagram } from "./diagram.tsx"
import { bytes, count, seconds } from "./format.ts"
import { Help } from "./help.tsx"
import { Overview } from "./overview.tsx"
import { ComparePanel } from "./panel-compare.tsx"
import { EventPanel } from "./panel-event.tsx"
import { FindPanel } from "./panel-find.tsx"
import { PlanPanel } from "./panel-plan.tsx"
import { StorePanel } from "./panel-store.tsx"
import * as state from "./state.ts"
import { nextTheme, theme } from "./theme.ts"

export function App(): JSX.Element {
  useEffect(() => {
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])
  return (
    <>
      <Header />
      <Verdict />
      <main>
        <Diagram />
        <Aside />
      </main>
      <Overview />
      {state.isHelpOpen.value ? <Help /> : null}
      <Curtain />
    </>
  )
}

function Header(): JSX.Element {
  const made = state.subject.value
  const run = state.summary.value
  return (
    <header>
      <span class="brand">Orrery</span>
      <span class="title">{made?.name}</span>
      {run === null ? null : (
        <span class="soft">
          {run.scenario}
          {run.plan === null ? "" : ` · seed ${run.seed}`} · {count(run.events)} events ·{" "}
          {seconds(run.simulatedUs, 60_000_000)}
          {run.plan === null ? "" : " simulated"}
        </span>
      )}
      <span class="grow" />
      {run === null ? null : <Hash />}
      <button title="Find (/)" onClick={focusSearch}>
        find
      </button>
      <button title="Light or dark" id="theme" onClick={nextTheme}>
        {theme.value === "auto" ? "◐ auto" : theme.value === "light" ? "○ light" : "● dark"}
      </button>
      <button
        title="Keys (?)"
        onClick={() => {
          state.isHelpOpen.value = true
        }}
      >
        ?
      </button>
    </header>
  )
}

function Hash(): JSX.Element {
  const run = state.summary.value!
  const expected = state.subject.value?.expected?.traceHash ?? null
  const isSame = expected === run.traceHash
  const isAlone = state.isEdited.value || expected === null || run.plan === null
  const said = isAlone ? "" : isSame ? " as the capsule says" : " not the capsule's"
  return (
    <span class="hash" title={expected === null ? "trace hash" : `the capsule's is ${expected}`}>
      <span class="soft">trace </span>
      <span class="mono" id="hash">
        {run.traceHash}
      </span>
      {said === "" ? null : <span class={isSame ? "good" : "faint"}>{said}</span>}
    </span>
  )
}

/** All lines of the message, not the first alone. */
const isWhole: Signal<boolean> = signal(false)

function Verdict(): JSX.Element | null {
  const run = state.summary.value
  if (run === null) return null
  if (run.plan === null) return <RecordedVerdict isSame={run.verdict === "valid"} />
  const { violation, verdict } = run
  const expected = state.subject.value?.expected ?? null
  return (
    <section class="verdict">
      <span class={`tag ${verdict === "valid" ? "good" : verdict === "invalid" ? "bad" : ""}`} id="verdict">
        {violation?.oracle ?? (verdict === "valid" ? "passes" : "no verdict")}
      </span>
      {state.isEdited.value ? <span class="tag changed">edited plan</span> : null}
      {violation === null ? (
        <span class="sentence soft">
          {expected !== null && expected.oracle !== "" && !state.isEdited.value
            ? `${expected.oracle} is no longer seen on this kernel. It was: ${expected.message}`
            : `${count(run.operations.ok)} operations ok, ${run.operations.fail} failed, ${run.operations.info} unknown.`}
        </span>
      ) : (
        <>
          <span
            class={isWhole.value ? "sentence whole" : "sentence"}
            id="sentence"
            title={isWhole.value ? "" : "Show all of it"}
            onClick={() => {
              isWhole.value = !isWhole.value
            }}
          >
            {violation.message}
          </span>
          {run.focus === null ? null : (
            <button class="link" id="to-violation" title={run.focus.why} onClick={() => void toViolation()}>
              event {count(run.focus.event)}, {seconds(run.focus.at, 1_000_000)}
            </button>
          )}
        </>
      )}
    </section>
  )
}

/** Nobody judges what real nodes did; but it must come out as it was recorded. */
function RecordedVerdict({ isSame }: { readonly isSame: boolean }): JSX.Element {
  return (
    <section class="verdict">
      <span class={`tag ${isSame ? "good" : "bad"}`} id="verdict">
        {isSame ? "as recorded" : "parts from the recording"}
      </span>
      <span class="sentence soft">
        {isSame
          ? "Played through the kernel of this page, every input comes out with the trace hash that the node recorded."
          : "The kernel of this page is not the one that recorded: `orrery replay` says where they part."}
      </span>
    </section>
  )
}

const TITLES: Readonly<Record<state.Panel, string>> = {
  event: "event",
  store: "store",
  plan: "plan",
  find: "find",
  compare: "compare",
}

function Aside(): JSX.Element {
  const { value } = state.panel
  return (
    <aside>
      <nav class="tabs">
        {state.panels.value.map((each, index) => (
          <button
            key={each}
            id={`tab-${each}`}
            class={each === value ? "on" : ""}
            title={`${TITLES[each]} (${index + 1})`}
            onClick={() => {
              state.panel.value = each
            }}
          >
            {TITLES[each]}
          </button>
        ))}
      </nav>
      <div class="panel">
        {state.trouble.value === null ? null : (
          <p class="trouble" role="alert">
            {state.trouble.value}{" "}
            <button
              class="link"
              onClick={() => {
                state.trouble.value = null
              }}
            >
              close
            </button>
          </p>
        )}
        {value === "event" ? <EventPanel /> : null}
        {value === "store" ? <StorePanel /> : null}
        {value === "plan" ? <PlanPanel /> : null}
        {value === "find" ? <FindPanel /> : null}
        {value === "compare" ? <ComparePanel /> : null}
      </div>
      <Kept />
    </aside>
  )
}

function Kept(): JSX.Element | null {
  const run = state.summary.value
  const made = state.subject.value
  if (run === null || made === null) return null
  const { kernels, bytes: weight, inputBytes } = run.kept
  return (
    <p class="kept faint">
      Orrery {made.version}, build {made.build}. Ran here in {(run.wallMs / 1_000).toFixed(1)} s;{" "}
      {count(kernels)} kernels kept ({bytes(weight)}, inputs {bytes(inputBytes)}).
    </p>
  )
}

function Curtain(): JSX.Element | null {
  const under = state.busy.value
  if (under === null) return null
  return (
    <div class="curtain" id="busy">
      <div>
        <p>Running the plan on the kernel in this page</p>
        <progress value={under.done} />
        <p class="soft mono">{under.told}</p>
      </div>
    </div>
  )
}

async function toViolation(): Promise<void> {
  const focus = state.summary.value?.focus ?? null
  if (focus === null) return
  await state.look(focus.event)
  await state.toggleCone(true)
}

function focusSearch(): void {
  state.panel.value = "find"
  requestAnimationFrame(() => document.querySelector<HTMLInputElement>("#query")?.select())
}

function onKey(event: KeyboardEvent): void {
  const { target } = event
  if (
    target instanceof HTMLInputElement ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  ) {
    if (event.key === "Escape") target.blur()
    return
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const act = actionOf(event)
  if (act === null) return
  event.preventDefault()
  act()
}

function actionOf({ key, shiftKey }: KeyboardEvent): (() => void) | null {
  const { from, until } = state.view.value
  const panel = state.panels.value[Number(key) - 1]
  if (panel !== undefined) {
    return () => {
      state.panel.value = panel
    }
  }
  switch (key) {
    case "ArrowRight":
      return () => void state.step(1, shiftKey)
    case "ArrowLeft":
      return () => void state.step(-1, shiftKey)
    case "ArrowDown":
      return () => void state.chooseLane(state.lane.value + 1)
    case "ArrowUp":
      return () => void state.chooseLane(state.lane.value - 1)
    case "Home":
      return () => void state.look(1)
    case "End":
      return () => void state.look(state.summary.value?.events ?? 1)
    case "PageDown":
      return () => state.show(from + (until - from) * 0.8, until + (until - from) * 0.8)
    case "PageUp":
      return () => state.show(from - (until - from) * 0.8, until - (until - from) * 0.8)
    case "+":
    case "=":
      return () => state.zoom(0.5, state.cursorAt.value)
    case "-":
      return () => state.zoom(2, state.cursorAt.value)
    case "0":
      return () => state.show(0, state.summary.value?.outline.runUs ?? 1)
    case "v":
      return () => void toViolation()
    case "c":
      return () => void state.toggleCone()
    case "b":
      return () => {
        state.isQuiet.value = !state.isQuiet.value
      }
    case "u":
      return () => void state.undo()
    case "t":
      return nextTheme
    case "/":
      return focusSearch
    case "?":
      return () => {
        state.isHelpOpen.value = !state.isHelpOpen.value
      }
    case "Escape":
      return () => {
        state.isHelpOpen.value = false
        state.message.value = null
      }
    default:
      return null
  }
}
