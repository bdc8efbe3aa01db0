import { render } from "preact"
import { App } from "./app.tsx"
import type { Subject } from "./protocol.ts"
import * as state from "./state.ts"
import { watchTheme } from "./theme.ts"

const subject = JSON.parse(document.querySelector("#subject")!.textContent ?? "") as Subject
document.title = `${subject.name} · Orrery`
watchTheme()
// What nobody waited for is told all the same.
addEventListener("unhandledrejection", ({ reason }) => {
  state.trouble.value = reason instanceof Error ? reason.message : String(reason)
})
render(<App />, document.querySelector("#app")!)
void state.begin(subject)
