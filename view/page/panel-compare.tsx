import type { JSX } from "preact"
import type { Edit } from "../session/edit.ts"
import { count, seconds } from "./format.ts"
import * as state from "./state.ts"

/** The run beside the nearest one that passes: what is other in the plan, and the first event that is other for it. */
export function ComparePanel(): JSX.Element {
  const near = state.neighbour.value
  const under = state.comparing.value
  return (
    <div class="pad">
      <p class="soft">
        Runs the plan again without each of its faults, one at a time, and takes of those that pass the one
        that goes along with this run for longest.
      </p>
      <p class="row">
        {under === null ? (
          <>
            <button id="nearest" onClick={() => void state.compare()}>
              find the nearest passing run
            </button>
            {(state.summary.value?.violation ?? null) === null ? null : (
              <button id="probe" onClick={() => void state.probe()}>
                when was it inevitable?
              </button>
            )}
          </>
        ) : (
          <>
            <progress value={under.done} /> {under.told}
            <button onClick={state.stopComparing}>stop</button>
          </>
        )}
      </p>
      <InevitablePart />
      {near === "none" ? <p>None of them passes.</p> : null}
      {near === null || near === "none" ? null : (
        <div id="neighbour">
          <h3>{nameOf(near.edit)}</h3>
          <p>
            <span class={`tag ${near.verdict === "valid" ? "good" : "bad"}`}>
              {near.verdict === "valid" ? "passes" : near.verdict}
            </span>{" "}
            <span class="mono">{near.traceHash}</span>
          </p>
          {near.parting === null ? (
            <p>Both runs are one, to the last event.</p>
          ) : (
            <>
              <p>
                They are one run up to event{" "}
                <button class="link" onClick={() => void state.look(near.parting!.event)}>
                  {count(near.parting.event)}
                </button>
                , which is
              </p>
              <h3>here</h3>
              <pre>{near.parting.first ?? "nothing: this run is over"}</pre>
              <h3>there</h3>
              <pre>{near.parting.second ?? "nothing: that run is over"}</pre>
            </>
          )}
          {near.edit.type === "plan" ? null : (
            <button onClick={() => void state.edit(near.edit)}>open that run</button>
          )}
        </div>
      )}
    </div>
  )
}

const WIDTH = 352
const HEIGHT = 96

/** How likely the failure is, by the moment from which the run goes on otherwise. */
function InevitablePart(): JSX.Element | null {
  const found = state.inevitable.value
  const last = found?.at(-1)
  if (found === null || last === undefined) return null
  const step = WIDTH / found.length
  const sure = found.findIndex((_, index) => found.slice(index).every(({ failed, runs }) => failed === runs))
  return (
    <figure id="inevitable">
      <h3>when was it inevitable?</h3>
      <p class="soft">
        From each of {found.length} moments the run goes on {last.runs} times with what is to come moved a
        little: how many of these fail the same check.{" "}
        {sure < 0
          ? "Not even at the end all of them do."
          : `From ${seconds(found[sure]!.at, 1_000_000)} on all of them do.`}
      </p>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT + 16}`}
        role="img"
        aria-label="Likelihood of the failure over time"
      >
        {found.map(({ at, failed, runs }, index) => {
          const height = Math.max(1.5, (failed / runs) * HEIGHT)
          return (
            <rect
              key={at}
              class={failed === runs ? "sure" : ""}
              x={index * step + 1}
              y={HEIGHT - height}
              width={step - 2}
              height={height}
              onClick={() => void state.lookAtTime(at, null)}
            >
              <title>{`from ${seconds(at, 1_000_000)}: ${failed} of ${runs} fail`}</title>
            </rect>
          )
        })}
        <text x="0" y={HEIGHT + 12}>
          {seconds(found[0]!.at, 60_000_000)}
        </text>
        <text x={WIDTH} y={HEIGHT + 12} text-anchor="end">
          {seconds(last.at, 60_000_000)}
        </text>
      </svg>
    </figure>
  )
}

function nameOf(edit: Edit): string {
  const plan = state.plan.value
  switch (edit.type) {
    case "dropFault":
      return `without fault ${edit.id}, ${plan?.faults.find(({ id }) => id === edit.id)?.kind ?? ""}`
    case "dropOperation":
      return `without operation ${edit.id}`
    default:
      return "the run of the capsule, and the edited one"
  }
}
