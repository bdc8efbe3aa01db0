import { readFileSync } from "node:fs"

const TOKENS = new URL("../../view/tokens.css", import.meta.url)

/** The look of the report: the colours of the house, and what this page alone has. */
export function reportStyle(): string {
  return `${readFileSync(TOKENS, "utf8")}${OWN}`
}

const OWN = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 26px 20px 60px; }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 4px; }
h2 { font-size: 15px; font-weight: 600; margin: 30px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
.pass h1 { color: var(--good); } .fail h1 { color: var(--bad); }
.facts { color: var(--soft); margin: 0; } code, pre, td { font-variant-numeric: tabular-nums; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 12px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 3px 12px 3px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 550; color: var(--soft); } th:first-child, td:first-child { text-align: left; }
.heat td:not(:first-child) { padding: 3px 8px; border: 2px solid var(--ground); min-width: 56px; }
.heat th { padding: 3px 8px; border: 0; } .heat td:first-child { padding-right: 12px; border: 0; }
.zero { color: var(--bad); font-weight: 600; } .heat .zero { color: var(--faint); font-weight: 400; }
svg .zero { fill: var(--bad); } summary.bad { color: var(--bad); }
.failure { background: var(--panel); border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 5px;
  padding: 10px 14px; margin: 10px 0; } .failure h3 { margin: 0 0 4px; font-size: 14px; color: var(--bad); }
.failure p { margin: 4px 0; } pre { overflow-x: auto; margin: 6px 0; line-height: 1.5; }
.bad { color: var(--bad); } .soft { color: var(--soft); } summary { cursor: pointer; color: var(--soft); margin: 8px 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 18px 28px; }
.bars { columns: 2 420px; column-gap: 40px; }
figure { margin: 0; } figcaption { font-weight: 550; margin-bottom: 2px; } figcaption span { color: var(--soft); font-weight: 400; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font: 10.5px system-ui, sans-serif; }
svg .name { fill: var(--ink); } svg .bar { fill: var(--leader); } svg .pale { fill: var(--leader); opacity: 0.25; }
svg .axis { stroke: var(--line); } svg .median { stroke: var(--ink); } svg .tail { stroke: var(--candidate); }
`
