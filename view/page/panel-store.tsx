import type { JSX } from "preact"
import type { Section } from "../session/inspect.ts"
import { count } from "./format.ts"
import * as state from "./state.ts"

/** A store as it is at the cursor, and what its last step changed. */
export function StorePanel(): JSX.Element {
  const seen = state.storeView.value
  const stores = (state.summary.value?.outline.lanes ?? []).filter(({ kind }) => kind === "store")
  return (
    <div class="pad">
      <nav class="stores">
        {stores.map(({ id }) => (
          <button
            key={id}
            class={id === state.lane.value ? "on" : ""}
            onClick={() => void state.chooseLane(id)}
          >
            s{id}
          </button>
        ))}
      </nav>
      {seen === null ? null : (
        <>
          <p class="soft" id="store-line">
            store {seen.store} {seen.life === "up" ? "" : <b class="bad">{seen.life}</b>} after its event{" "}
            {count(seen.event)}; what that step changed stands out
          </p>
          {seen.sections.map((section) => (
            <SectionPart key={section.title} section={section} />
          ))}
          {seen.life === "up" ? (
            <label class="filter">
              rows whose key begins with
              <input
                value={state.rowPrefix.value}
                onInput={(event) => {
                  state.rowPrefix.value = event.currentTarget.value
                  void state.inspect()
                }}
              />
            </label>
          ) : null}
          <p class="faint">had in {seen.wallMs.toFixed(1)} ms</p>
        </>
      )}
    </div>
  )
}

function SectionPart({ section }: { readonly section: Section }): JSX.Element {
  const { title, facts, gone } = section
  const tenant = /^rows of tenant (\d+)$/.exec(title)
  const changed = facts.filter(({ before }) => before !== undefined).length + gone.length
  return (
    <details open={!/^store$/.test(title)}>
      <summary>
        {title}
        {changed > 0 ? <span class="tag changed">{changed} changed</span> : null}
      </summary>
      <table class="facts">
        <tbody>
          {facts.map(({ name, value, before }) => (
            <tr key={name} class={before === undefined ? "" : "changed"}>
              <th>
                {tenant === null ? (
                  name
                ) : (
                  <button
                    class="link"
                    title="Who wrote it?"
                    onClick={() => void state.whoWrote(Number(tenant[1]), keyOf(name))}
                  >
                    {name.replace(/ @\d+$/, "")}
                  </button>
                )}
              </th>
              <td>
                {before === undefined ? null : <s>{before ?? "—"}</s>}
                {value}
                {tenant === null ? null : <span class="faint"> {/@\d+$/.exec(name)?.[0]}</span>}
              </td>
            </tr>
          ))}
          {gone.map(({ name, value }) => (
            <tr key={name} class="changed">
              <th>{name}</th>
              <td>
                <s>{value}</s>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {tenant !== null ? <ProvenancePart /> : null}
    </details>
  )
}

/** The key as the engine has it: what is shown has escapes for bytes that do not print. */
function keyOf(name: string): string {
  return name
    .replace(/ @\d+$/, "")
    .replaceAll(/\\(?:\\|x([0-9a-f]{2}))/g, (_, code: string | undefined) =>
      code === undefined ? "\\" : String.fromCharCode(Number.parseInt(code, 16)),
    )
}

function ProvenancePart(): JSX.Element | null {
  const found = state.provenance.value
  if (found === null) return null
  if (found === "none") return <p class="soft">No version of it is here.</p>
  return (
    <div class="provenance" id="provenance">
      <h3>
        who wrote {found.key} = {found.value}
      </h3>
      <ol class="lines">
        {found.steps.map(({ event, text }, index) => (
          <li key={index}>
            <button class="link" onClick={() => void state.look(event)}>
              {count(event)}
            </button>{" "}
            {text}
          </li>
        ))}
      </ol>
    </div>
  )
}
