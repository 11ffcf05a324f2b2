/** The style of the monitoring pages: light and dark, phone, and print. */

/** CSS of both pages. Severities and chart parts are classes, so that one place sets their colours. */
export const style = `
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--ink:#1c2128;--soft:#57606a;--rule:#d8dce2;--grid:#e6e9ed;
--before:#9aa3ae;--now:#1862d0;--ok:#116329;--warn:#7a4f00;--fail:#a32015;--okbg:#dcf3e2;--warnbg:#fdefc8;--failbg:#fde2df;--calmbg:#e9ecf0}
@media screen and (prefers-color-scheme:dark){:root{--page:#0e1217;--card:#171c23;--ink:#e8ebef;--soft:#a3adb9;--rule:#323a44;--grid:#262d36;
--before:#76808c;--now:#6aa7ff;--ok:#5fce80;--warn:#e9b949;--fail:#ff8f85;--okbg:#12351f;--warnbg:#3a2d08;--failbg:#4a1a17;--calmbg:#252c35}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
.wrap{max-width:76rem;margin:0 auto;padding:1.25rem 1rem 3rem}
a{color:var(--now)}
h1{font-size:clamp(1.15rem,1rem + .7vw,1.42rem);line-height:1.32;margin:.15rem 0 1rem;text-wrap:pretty;font-weight:650}
h2{font-size:1.12rem;margin:1.9rem 0 .7rem}
h3{font-size:1rem;margin:0;line-height:1.3}
p{margin:.3rem 0}
.soft,figcaption p,.kicker{color:var(--soft);font-size:.87rem}
.kicker{margin:0;letter-spacing:.01em}
.hero{background:var(--card);border:1px solid var(--rule);border-left:.5rem solid var(--soft);border-radius:.6rem;padding:1.1rem 1.2rem}
.hero.ok{border-left-color:var(--ok)}.hero.warn{border-left-color:var(--warn)}.hero.fail{border-left-color:var(--fail)}
.hero h1:last-child{margin-bottom:.2rem}
.verdicts{list-style:none;display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.6rem;margin:0;padding:0}
.verdicts li{background:var(--page);border-radius:.45rem;padding:.5rem .7rem;font-size:.87rem}
.verdicts strong{font-size:.95rem;margin-right:.4rem}
.badge{display:inline-block;padding:0 .5em;border-radius:1em;background:var(--calmbg);color:var(--ink);font-size:.85em;font-weight:650;white-space:nowrap}
.badge.ok{background:var(--okbg);color:var(--ok)}.badge.warn{background:var(--warnbg);color:var(--warn)}.badge.fail{background:var(--failbg);color:var(--fail)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21.5rem),1fr));gap:.8rem}
.card{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;padding:.8rem .9rem;margin:0;min-width:0}
.card.fail{border-top:3px solid var(--fail)}.card.warn{border-top:3px solid var(--warn)}
.card.wide{grid-column:1/-1}
.top{margin-top:.8rem}
.alarm{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20.5rem),1fr));gap:.4rem 1.4rem;margin-bottom:.8rem}
.alarm h3{display:flex;gap:.5rem;align-items:center;flex-wrap:wrap}
.alarm ul{margin:.35rem 0;padding-left:1.1rem;font-size:.87rem}
.alarm h4{font-size:.87rem;margin:.5rem 0 0;font-weight:600}
figure{margin:0}
figcaption p{margin:.1rem 0 .3rem}
.legend{display:flex;gap:1rem;flex-wrap:wrap;font-size:.82rem;color:var(--soft);margin:.2rem 0}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:.15em;margin-right:.35em;vertical-align:-.05em}
.legend .before{background:var(--before)}.legend .now{background:var(--now)}
svg{display:block;width:100%;height:auto;font-size:11px}
svg text{fill:var(--soft)}
svg .value,svg .name{fill:var(--ink)}svg .value{font-size:10px}
svg .grid{stroke:var(--grid);fill:none}svg .axis{stroke:var(--soft);fill:none}
svg .before{fill:var(--before)}svg .now{fill:var(--now)}svg .past{fill:var(--now);opacity:.45}
svg .before.fill{opacity:.55}svg .now.fill{opacity:.25}svg .now.outline{fill:none;stroke:var(--now);stroke-width:1.8}
svg .hover{fill:transparent}
svg .line{fill:none;stroke:var(--now);stroke-width:1.8;stroke-linejoin:round}
svg .band{fill:var(--now);opacity:.16}svg .whisker{stroke:var(--now);opacity:.6;fill:none}
svg .dot,svg .point.calm{fill:var(--now)}svg .point.warn{fill:var(--warn)}svg .point.fail{fill:var(--fail)}
svg .point{stroke:var(--card);stroke-width:1}
svg .limit{fill:none;stroke-dasharray:4 3;stroke:var(--soft)}svg .limit.warn{stroke:var(--warn)}svg .limit.fail{stroke:var(--fail)}
svg .limitname,svg .value,svg .markname{paint-order:stroke;stroke:var(--card);stroke-width:2.5px;stroke-linejoin:round}
svg .limitname{font-size:10px}svg .limitname.warn{fill:var(--warn)}svg .limitname.fail{fill:var(--fail)}
svg .zone.warn{fill:var(--warn);opacity:.07}svg .zone.fail{fill:var(--fail);opacity:.09}
svg .cell{fill:var(--calmbg)}svg .cell.ok{fill:var(--ok)}svg .cell.warn{fill:var(--warn)}svg .cell.fail{fill:var(--fail)}
svg .mark{stroke:var(--ink);stroke-dasharray:1 3;fill:none}svg .markname{fill:var(--ink);font-size:10px;font-weight:600}
table{border-collapse:collapse;width:100%;font-size:.84rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .45rem;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:500}thead th{color:var(--soft);vertical-align:bottom}
.n{text-align:right}
details.part{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;margin:.6rem 0;padding:.15rem .9rem}
details.part>summary{padding:.55rem 0;font-weight:600}
details.part[open]{padding-bottom:.8rem}
summary{cursor:pointer}
details.data{font-size:.84rem;margin-top:.25rem}details.data>summary{color:var(--soft)}
:focus-visible{outline:2px solid var(--now);outline-offset:2px;border-radius:.2rem}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.15rem .9rem;margin:.2rem 0;font-size:.87rem}
dt{color:var(--soft)}dd{margin:0}
.heat{table-layout:fixed;font-size:.8rem}
.heat th,.heat td{border:0;vertical-align:middle;padding:.1rem .06rem;text-align:center;overflow:hidden}
.heat thead th{font-size:.75rem;overflow:visible;white-space:nowrap;position:relative;height:1.3rem}.heat thead span[aria-hidden]{position:absolute;right:0;bottom:0}
.heat th[scope=row]{text-align:left;width:9.5rem;padding-right:.4rem;white-space:nowrap;text-overflow:ellipsis}
.heat td i{display:block;font-style:normal;font-weight:700;border-radius:.18rem;height:1.25rem;line-height:1.25rem;background:var(--calmbg)}
.heat .ok i{background:var(--okbg);color:var(--okbg)}.heat .warn i{background:var(--warnbg);color:var(--warn)}.heat .fail i{background:var(--fail);color:var(--card)}
.heat .none i{background:none}
.heat tr.gap th,.heat tr.gap td{padding-top:.5rem}
.heat .mark{border-left:2px dotted var(--ink)}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.8rem;margin-top:.5rem}
.variant{display:flex;flex-direction:column;gap:.35rem}.variant h2{margin:0;font-size:1.02rem}.variant .push{margin-top:auto}
footer{color:var(--soft);font-size:.84rem;margin-top:1.5rem}
@media (max-width:40rem){.wrap{padding:.6rem .6rem 2rem}.hero,.card{padding:.75rem .7rem}.heat th[scope=row]{width:6.2rem}.heat td i{border-radius:.1rem;font-size:.55rem}
.wide-only{display:none}dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}th,td{padding:.2rem .3rem}}
@media print{:root{color-scheme:light;font-size:13px}@page{margin:12mm}body{background:#fff;font-size:1rem}.verdicts{grid-template-columns:repeat(4,1fr)}.wrap{max-width:none;padding:0}.grid,.alarm{grid-template-columns:repeat(2,minmax(0,1fr))}.alarm>div{grid-column:1/-1}
.card,.hero,tr{break-inside:avoid}h2,h3{break-after:avoid}details.data{display:none}
details::details-content{content-visibility:visible;display:block;block-size:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}`.trim();
