/** The page's style sheet: one column on a phone, light and dark as the reader's system says, no motion. */
export const pageStyle = `:root{color-scheme:light dark;
--ground:#fbfbf9;--card:#fff;--text:#1c1f23;--quiet:#565c66;--edge:#d9dbe0;--rail:#e6e8ec;--fill:#2f6fb3;--near:#b3571f;
--good:#1c6b3c;--waiting:#7a5200;--bad:#a8271d;--over:#565c66;--link:#1d5fa8}
@media (prefers-color-scheme:dark){:root{
--ground:#14171b;--card:#1c2026;--text:#e7e9ec;--quiet:#a9b0ba;--edge:#343a43;--rail:#2c323a;--fill:#6aa7e8;--near:#e59a5f;
--good:#7fd3a0;--waiting:#e6bd6a;--bad:#ff9d92;--over:#a9b0ba;--link:#8cbcf2}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--ground);color:var(--text);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header{display:flex;flex-wrap:wrap;gap:.75rem;align-items:center;border-bottom:1px solid var(--edge);padding-bottom:1rem}
header>div{flex:1 1 12rem}
h1{font-size:1.375rem;margin:0}h2{font-size:1.125rem;margin:0}h3{font-size:1rem;margin:0}
p{margin:.25rem 0}
.mark{width:2.5rem;height:2.5rem;border-radius:.5rem;background:var(--fill);color:var(--ground);
font-weight:700;display:grid;place-items:center;margin:0}
.summary{font-size:1.125rem;margin:1rem 0}
.realm{border:1px solid var(--edge);border-radius:.75rem;background:var(--card);padding:1rem;margin:1rem 0}
.grant{border-top:1px solid var(--edge);margin-top:1rem;padding-top:1rem}
.grant.over{color:var(--quiet)}
.quiet,.as-of,.label{color:var(--quiet)}
.badge{display:inline-flex;gap:.25rem;align-items:center;font-size:.875rem;font-weight:600;border:1px solid currentColor;
border-radius:1rem;padding:0 .5rem;vertical-align:middle}
.good{color:var(--good)}.waiting{color:var(--waiting)}.bad{color:var(--bad)}.over{color:var(--over)}
.grant.good,.grant.waiting,.grant.bad{color:inherit}
.notice{border-left:.25rem solid var(--waiting);padding-left:.5rem}
.problem{border-left:.25rem solid var(--bad);padding-left:.5rem}
dl{margin:.5rem 0;display:grid;gap:.25rem 1rem;grid-template-columns:repeat(auto-fit,minmax(14rem,1fr))}
dt{color:var(--quiet);font-size:.875rem}dd{margin:0}
.commands{grid-template-columns:1fr}
code{display:block;background:var(--rail);border-radius:.25rem;padding:.25rem .5rem;overflow-x:auto;
font:.9375rem/1.5 ui-monospace,monospace}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;font-weight:400;padding:.25rem .5rem .25rem 0;vertical-align:top}
thead th{color:var(--quiet);font-size:.875rem}
.bar,.line{border-radius:.25rem}th:first-child{width:42%}
.bar{display:block;width:100%;max-width:16rem;height:.5rem}.line{display:block;width:100%;height:.375rem;margin:.25rem 0}
.rail{fill:var(--rail)}.fill{fill:var(--fill)}.near{fill:var(--near)}
ul.lines{list-style:none;padding:0}.lines li{margin:.25rem 0}ul{margin:0;padding-left:1.25rem}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
#live:empty{display:none}
`;
