// The live page of a node. It shows the document `eco2.live/1` and keeps it current from the event stream. It computes
// sums, means and differences of what it is given, no statistics. All text from data passes through `esc`.
'use strict';
(() => {
const $ = (selector, root) => (root || document).querySelector(selector);
const $$ = (selector, root) => [...(root || document).querySelectorAll(selector)];
const NB = '\u00a0', EN = '\u2009–\u2009';
const esc = text => String(text ?? '').replace(/[&<>"']/g, letter => '&#' + letter.charCodeAt(0) + ';');

// ---- numbers: at most three significant digits, one unit, digits grouped from five on ----
const group = text => {
  const [whole, fraction] = String(text).split('.');
  const grouped = whole.replace('-', '').length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, '\u202f') : whole;
  return (grouped + (fraction ? '.' + fraction : '')).replace('-', '\u2212');
};
const sig = (value, digits = 3) => {
  if (value == null || !isFinite(value)) return '';
  if (!value) return '0';
  const rounded = +value.toPrecision(digits);
  return group(rounded.toFixed(Math.min(8, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(rounded)))))));
};
// For each kind of value: from which amount on, its size in base units, its name.
const UNITS = {
  J: [[3.6e5, 3.6e6, 'kWh'], [360, 3600, 'Wh'], [1, 1, 'J'], [0, 1e-3, 'mJ']],
  W: [[1e6, 1e6, 'MW'], [1e3, 1e3, 'kW'], [0, 1, 'W']],
  g: [[1e6, 1e6, 't' + NB + 'CO₂e'], [1e3, 1e3, 'kg' + NB + 'CO₂e'], [1, 1, 'g' + NB + 'CO₂e'], [0, 1e-3, 'mg' + NB + 'CO₂e']],
};
const unit = (kind, value) => {
  const [, size, name] = UNITS[kind].find(([from]) => Math.abs(value || 0) >= from);
  return { size, name };
};
const amount = (value, kind) => {
  const u = unit(kind, value);
  return sig(value / u.size) + NB + u.name;
};
// A range in words: ± when symmetric to a tenth, else low – high; without an upper bound, at least.
const range = ([value, low, high], kind) => {
  if (value == null) return '';
  const u = unit(kind, value);
  if (high == null) return low == null ? '' : 'at least ' + sig(low / u.size) + NB + u.name;
  const below = value - low, above = high - value, most = Math.max(below, above);
  if (most <= 0) return '';
  if (Math.abs(below - above) <= .1 * most) return '±' + NB + sig(100 * most / value, 2) + NB + '%';
  return sig(low / u.size) + EN + sig(high / u.size) + NB + u.name;
};
// One unit for a column; at most three decimals; decimal points aligned with figure spaces.
const short = value => value && Math.abs(value) < .001 ? '<' + NB + '0.001' : sig(Math.abs(value) < 1 ? Math.round(value * 1e3) / 1e3 : value);
const column = (kind, values) => {
  const known = values.filter(value => value != null);
  const u = unit(kind, Math.max(0, ...known));
  const decimals = text => (text.split('.')[1] || '').length;
  const most = Math.max(0, ...known.map(value => decimals(short(value / u.size))));
  const pad = text => text + (most ? (decimals(text) ? '' : '\u2008') + '\u2007'.repeat(most - decimals(text)) : '');
  return {
    name: u.name,
    cell: value => value == null ? '<span class="nm">not known</span>' : esc(pad(short(value / u.size))),
    range: (low, high) => low == null ? '' : high == null ? '≥' + NB + short(low / u.size) : short(low / u.size) + EN + short(high / u.size),
  };
};
const percent = share => share == null ? '' : share && share < .001 ? '<' + NB + '0.1' : sig(Math.round(1000 * share) / 10, share < .1 ? 2 : 3);
const duration = seconds => {
  const s = Math.round(seconds), d = Math.floor(s / 86400), h = Math.floor(s % 86400 / 3600), m = Math.floor(s % 3600 / 60);
  return d ? d + NB + 'd' + NB + h + NB + 'h' : h ? h + NB + 'h' + NB + m + NB + 'min' : m ? m + NB + 'min' : s + NB + 's';
};
const two = number => String(number).padStart(2, '0');
const clock = (t, withSeconds) => {
  const at = new Date(t * 1e3);
  return two(at.getHours()) + ':' + two(at.getMinutes()) + (withSeconds ? ':' + two(at.getSeconds()) : '');
};
const sum = values => values.reduce((total, value) => total + (value || 0), 0);
const niceMax = value => {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(factor => factor * power).find(limit => value <= limit) || 1;
};

const app = $('#app'), DATA = JSON.parse($('#eco2-data').textContent);

// ---- the token: from the fragment of the address, or typed; a session's cookie replaces it ----
async function exchange(token) {
  const answer = await fetch('/session', { method: 'POST', headers: { authorization: 'Bearer ' + token } });
  return answer.ok;
}
function askForToken(note) {
  app.innerHTML = `<main class="login"><h1>eco2</h1><p>${esc(note)}</p><form><label>Token<input type="password" autocomplete="off" required></label><button>Open</button></form></main>`;
  $('form').addEventListener('submit', async event => {
    event.preventDefault();
    if (await exchange($('input').value.trim())) location.reload();
    else askForToken('This token is not valid.');
  });
  $('input').focus();
}
async function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) {
    history.replaceState(null, '', location.pathname);
    if (await exchange(token)) { location.reload(); return; }
  }
  if (DATA) show(DATA);
  else askForToken(token ? 'This link was used before. Enter the token of the server.' : 'This server shows its values to the bearer of its token.');
}

function show(D) {
  const N = D.node, H = D.history, MOST = 7200;
  const gpus = D.devices.filter(device => device.component === 'gpu' && device.is_summed);
  const has = component => D.devices.some(device => device.component === component && device.is_summed);
  const qualityOf = component => {
    const kinds = new Set(D.devices.filter(device => device.is_summed && device.component === component).map(device => device.quality));
    return kinds.size === 1 ? [...kinds][0] : kinds.has('estimated') ? 'estimated' : '';
  };
  const tracks = [['total', 'Total', 184], ...(gpus.length ? [['gpu', gpus.length > 1 ? 'Each GPU' : 'GPU', 140]] : []),
    ...(has('cpu') ? [['cpu', 'CPU', 84]] : []), ...(has('memory') ? [['memory', 'Memory', 84]] : [])];
  const lastTrack = tracks[tracks.length - 1][0];
  let now = D.now.t, span = 1800, paused = false, heard = performance.now(), lost = false;

  const value = (id, label) => `<div><dt>${label}</dt><dd><div class="v" id="v-${id}"></div><div class="w" id="w-${id}"></div></dd></div>`;
  const track = ([id, label]) => `<div class="row"><div class="tl" id="tl-${id}"><b>${label}</b><span class="big"></span><span class="more"></span>${['estimated', 'derived', 'synthetic'].includes(qualityOf(id)) ? `<span class="q ${qualityOf(id)}">${qualityOf(id)}</span>` : ''}</div><div class="chart" id="c-${id}" tabindex="0" role="img" aria-label="Power: ${label}"></div></div>`;
  const synthetic = D.devices.some(device => device.quality === 'synthetic');
  app.innerHTML = `<svg id="defs" aria-hidden="true"><defs><pattern id="h-unattr" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.6" height="5" class="k-idle"/></pattern><pattern id="h-gap" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect width="6" height="6" class="k-idle" fill-opacity=".12"/><rect width="1.2" height="6" class="k-idle"/></pattern></defs></svg>
<a class="skip" href="#power">Skip to the charts</a>${synthetic ? '<div class="sample" role="note"><b>Synthetic data.</b> These numbers were generated and are not a measurement.</div>' : ''}
<header class="top"><a class="brand" href="#app">eco<i>2</i></a><h1>${esc(N.hostname || 'this node')}</h1><span class="mut">${esc(N.devices)}</span><span class="grow"></span><span class="ctl"><span class="live" id="live"><i></i><span></span></span><span class="vh" role="status" id="state"></span><span class="seg" role="group" aria-label="Time window">${[[300, '5 min'], [1800, '30 min'], [7200, '2 h']].map(([seconds, label]) => `<button type="button" data-span="${seconds}" aria-pressed="${seconds === span}">${label}</button>`).join('')}</span><button type="button" id="pause" aria-pressed="false">Pause</button></span></header>
<section aria-label="Values now"><dl class="kpi">${value('power', 'Power now')}${value('energy', 'Energy')}${value('grams', 'Emissions')}${value('since', N.is_run ? 'Duration' : 'Since the start')}${value('idle', 'Idle')}${N.is_run ? value('own', 'This command') : value('jobs', 'Jobs running')}</dl></section>
<main><div class="g1"><section id="power"><div class="sh"><h2>Power</h2><p id="reading" aria-live="polite"></p></div>${tracks.map(track).join('')}
<div class="leg"><span><svg width="22" height="12"><rect class="b k-total" y="1" width="22" height="10"/><line class="l c-total" x1="0" x2="22" y1="6" y2="6"/></svg>value and uncertainty range</span><span><svg width="22" height="12"><path class="l est c-total" d="M0 6H22"/></svg>estimated</span><span><svg width="14" height="12"><rect class="gap" width="14" height="12"/></svg>part of the devices not measured</span></div></section>
<div class="side"><section><div class="sh"><h2>Use of the energy</h2></div><div id="use"></div></section><section><div class="sh"><h2>Energy</h2><p id="cum-unit"></p></div><div class="chart" id="c-cum" tabindex="0" role="img" aria-label="Energy with uncertainty range"></div></section><section><div class="sh"><h2>Events</h2></div><ul class="ev" id="events"></ul></section></div></div>
${gpus.length ? `<section class="blk"><div class="sh"><h2>GPUs</h2><p>power, last 5 min</p></div><div class="tiles">${gpus.map((gpu, at) => `<div class="tile" id="g${at}"><div class="a" title="${esc(gpu.name)}">${gpus.length > 1 ? `<b>${at}</b> ` : ''}${esc(gpu.name)}</div><div class="p"></div><div class="sp"></div></div>`).join('')}</div></section>` : ''}
<div class="blk g3"><section><div class="sh"><h2>${N.is_run ? 'Use' : 'Jobs and other use'}</h2></div><div id="jobs"></div></section><section><div class="sh"><h2>Sensors</h2></div><div id="sources"></div></section></div></main>
<footer>eco2 ${esc(N.tool)} · <a href="/metrics">/metrics</a> · <a href="/health">/health</a> · <a href="/api/v1/state">/api/v1/state</a> · <a href="/api/v1/openapi.json">API</a></footer>`;

  // ---- charts ----
  const colors = {}, charts = {};
  const css = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
  const withAlpha = (color, alpha) => {
    const bits = parseInt(color.length === 4 ? color.slice(1).replace(/./g, '$&$&') : color.slice(1), 16);
    return `rgba(${bits >> 16},${bits >> 8 & 255},${bits & 255},${alpha})`;
  };
  const palette = () => ['ink2', 'ink3', 'grid', 'gpu', 'cpu', 'memory', 'total', 'idle'].forEach(name => { colors[name] = css(name); });
  const line = (name, width, more) => ({ stroke: colors[name], width, points: { show: false }, spanGaps: false, ...more });
  const edge = () => ({ stroke: 'transparent', width: 0, points: { show: false } });
  const gaps = plot => {
    const { ctx, bbox } = plot, step = 6 * devicePixelRatio;
    for (const [from, to] of D.gaps) {
      const left = Math.max(bbox.left, plot.valToPos(from, 'x', true));
      const right = Math.min(bbox.left + bbox.width, Math.max(plot.valToPos(to, 'x', true), left + 3));
      if (right <= left) continue;
      ctx.save();
      ctx.beginPath(); ctx.rect(left, bbox.top, right - left, bbox.height); ctx.clip();
      ctx.strokeStyle = colors.idle; ctx.lineWidth = devicePixelRatio;
      for (let y = bbox.top - (right - left); y < bbox.top + bbox.height; y += step) {
        ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(right, y + (right - left)); ctx.stroke();
      }
      ctx.restore();
    }
  };
  // Points of the window, of the columns that a chart draws.
  const first = () => { let at = H.t.length; while (at > 0 && H.t[at - 1] >= now - span - 12) at--; return at; };
  const windowOf = columns => { const from = first(); return [H.t, ...columns].map(values => values.slice(from)); };
  const highest = columns => niceMax(Math.max(0, ...columns.flat().filter(value => value != null)) * 1.02);
  const bounded = name => () => windowOf([H[name].v, H[name].lo, H[name].hi]);
  const axisText = text => group(+text.toPrecision(4));
  function chart(id, height, options) {
    const box = $('#c-' + id), isTrack = !!options.isTrack, noTime = isTrack && id !== lastTrack;
    const axis = { stroke: colors.ink2, font: '11px ' + css('f'), grid: { stroke: colors.grid, width: 1 }, ticks: { stroke: colors.ink3, width: 1, size: 4 }, gap: 4 };
    const plot = new uPlot({
      width: box.clientWidth, height: height + (noTime ? 0 : 18), padding: [6, 16, noTime ? 6 : 0, 0], legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: isTrack ? { key: 'power' } : undefined, points: { show: false } },
      scales: { x: { time: false, range: options.x }, y: { range: () => [0, options.most()] } },
      axes: [
        { ...axis, size: noTime ? 0 : 22, show: !noTime, space: 70, grid: { show: false }, incrs: [10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800], values: (_, all) => all.map(t => clock(t, all.length > 1 && all[1] - all[0] < 60)) },
        { ...axis, size: 48, space: 28, ticks: { show: false }, values: (_, all) => all.map(each => axisText(each / (options.size ? options.size() : 1))) },
      ],
      series: [{}, ...options.series], bands: options.bands || [],
      hooks: { draw: isTrack ? [gaps] : [], setCursor: isTrack ? [read] : [] },
    }, options.data(), box);
    charts[id] = { plot, options, box, height: height + (noTime ? 0 : 18) };
    box.onkeydown = event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], times = plot.data[0];
      if (step && times.length) {
        event.preventDefault();
        const from = plot.cursor.idx == null ? times.length - 1 : plot.cursor.idx;
        const to = Math.min(times.length - 1, Math.max(0, from + step * (event.shiftKey || event.ctrlKey ? 10 : 1)));
        plot.setCursor({ left: plot.valToPos(times[to], 'x'), top: 10 });
      } else if (event.key === 'Escape') plot.setCursor({ left: -10, top: -10 });
    };
  }
  // The window, or what there is of it, but at least a minute.
  const windowX = () => { const from = Math.max(now - span, H.t.length ? H.t[0] : now); return [from, Math.max(now, from + 60)]; };
  function build() {
    palette();
    for (const id in charts) { charts[id].plot.destroy(); delete charts[id]; }
    const band = name => [{ series: [3, 2], fill: withAlpha(colors[name], +css('band')) }];
    for (const [id, , height] of tracks) {
      const dash = qualityOf(id) === 'estimated' || (id === 'total' && D.now.quality === 'estimated') ? { dash: [5, 3] } : {};
      const data = id === 'gpu' ? () => windowOf(H.gpu) : bounded(id);
      chart(id, height, {
        isTrack: true, x: windowX, data, most: () => highest(data().slice(1)), size: id === 'total' ? () => unit('W', highest(data().slice(1))).size : undefined,
        series: id === 'gpu' ? gpus.map(() => line('gpu', 1, { alpha: .75 })) : [line(id, 1.6, dash), edge(), edge()],
        bands: id === 'gpu' ? [] : band(id),
      });
    }
    const points = () => D.cumulative || { t0: now, step_s: 60, energy_j: { v: [], lo: [], hi: [] } };
    const energy = () => {
      const c = points(), t = c.energy_j.v.map((_, at) => c.t0 + at * c.step_s), [v, lo, hi] = D.now.energy_j;
      return [[...t, now], [...c.energy_j.v, v], [...c.energy_j.lo, lo], [...c.energy_j.hi, hi]];
    };
    // Energy since the first point, in the unit of the largest value.
    const grown = () => {
      const [t, ...rest] = energy(), from = rest[0].find(each => each != null) || 0;
      const joules = rest.map(all => all.map(each => each == null ? null : Math.max(0, each - from)));
      const u = unit('J', Math.max(0, ...joules.flat()));
      $('#cum-unit').textContent = u.name + ' since ' + clock(points().t0);
      return [t, ...joules.map(all => all.map(each => each == null ? null : each / u.size))];
    };
    chart('cum', 120, { x: () => [points().t0, Math.max(now, points().t0 + 60)], data: grown, most: () => highest(grown().slice(1)), series: [line('total', 1.6), edge(), edge()], bands: band('total') });
  }

  // ---- the reading at the cursor, else the newest ----
  function read(plot) {
    const at = plot && plot.cursor.left >= 0 ? plot.cursor.idx : null;
    const t = at == null ? null : plot.data[0][at];
    const index = t == null ? H.t.length - 1 : H.t.indexOf(t);
    $('#reading').textContent = t == null ? 'Point at a chart, or focus it and press the arrow keys.' : 'Values at ' + clock(t, true);
    for (const [id] of tracks) {
      const label = $('#tl-' + id), text = (big, more) => { label.children[1].textContent = big; label.children[2].textContent = more; };
      if (id === 'gpu') {
        const known = H.gpu.map(values => values[index]).filter(watts => watts != null);
        const low = Math.min(...known), high = Math.max(...known);
        text(known.length ? amount(sum(known) / known.length, 'W') : 'not measured', known.length > 1 && sig(low) !== sig(high) ? `mean of ${known.length}: ${sig(low)}${EN}${sig(high)}${NB}W` : '');
      } else {
        const one = H[id], watts = one.v[index];
        text(watts == null ? 'not measured' : (qualityOf(id) === 'estimated' ? '≈' + NB : '') + amount(watts, 'W'), range([watts, one.lo[index], one.hi[index]], 'W'));
      }
    }
  }

  // ---- blocks ----
  const put = (id, html) => { const element = $('#' + id); if (element && element.innerHTML !== html) element.innerHTML = html; };
  const big = (value, kind, missing) => {
    if (value == null) return `<span class="nm">${missing}</span>`;
    const [number, ...name] = amount(value, kind).split(NB);
    return number + '<small>' + name.join(' ') + '</small>';
  };
  const bar = (value, low, high, most, color) => {
    const at = each => (100 * each / most).toFixed(2) + '%';
    const whisker = high == null || low == null ? '' : `<line class="wh" x1="${at(low)}" x2="${at(high)}" y1="6" y2="6"/><line class="wh" x1="${at(low)}" x2="${at(low)}" y1="3" y2="9"/><line class="wh" x1="${at(high)}" x2="${at(high)}" y1="3" y2="9"/>`;
    return `<svg class="bar" width="100%" height="12" aria-hidden="true"><rect width="${at(value)}" y="1" height="10" class="k-${color}"/>${whisker}</svg>`;
  };
  const KINDS = { job: ['Jobs', 'total'], past: ['Other jobs', 'other'], other: ['Other processes', 'other'], idle: ['Idle', 'idle'], unattr: ['Not attributed', 'unattr'] };
  const SWATCH = { past: 'other' };
  function values() {
    const [power] = D.now.total_w, running = D.consumers.filter(each => each.kind === 'job' && each.is_running).length;
    const idle = D.consumers.find(each => each.kind === 'idle'), rest = D.consumers.find(each => each.kind === 'unattr');
    put('v-power', big(power, 'W', 'not measured')); put('w-power', range(D.now.total_w, 'W'));
    put('v-energy', big(D.now.energy_j[0], 'J', 'not measured')); put('w-energy', range(D.now.energy_j, 'J') || 'in total');
    put('v-since', duration(now - N.started_at)); put('w-since', 'started ' + new Date(N.started_at * 1e3).toLocaleDateString() + ' ' + clock(N.started_at));
    put('v-idle', idle && idle.share != null ? percent(idle.share) + '<small>%</small>' : '<span class="nm">not known</span>');
    put('w-idle', rest && rest.share != null ? percent(rest.share) + NB + '% not attributed' : 'of the energy');
    put('v-grams', big(D.now.grams[0], 'g', 'not known'));
    put('w-grams', D.now.grams[0] == null ? 'no grid zone set' : [range(D.now.grams, 'g'), esc(N.zone) + ', ' + sig(D.now.g_per_kwh) + NB + 'g/kWh'].filter(Boolean).join(', '));
    const own = N.is_run && D.consumers.find(each => each.kind === 'job');
    put('v-own', own && own.share != null ? percent(own.share) + '<small>%</small>' : '<span class="nm">not known</span>');
    put('w-own', own ? amount(own.energy_j, 'J') + ' of the energy' : '');
    put('v-jobs', D.is_restricted && !running ? '<span class="nm">not shown</span>' : String(running));
    put('w-jobs', D.is_restricted ? 'a token shows all jobs' : running ? '' : 'eco2 job begin ID');
  }
  function use() {
    const kinds = Object.keys(KINDS).map(kind => [kind, sum(D.consumers.filter(each => each.kind === kind).map(each => each.energy_j))]).filter(([, joules]) => joules > 0);
    const total = sum(kinds.map(([, joules]) => joules));
    if (!total) { put('use', '<p class="nm">not known</p>'); return; }
    let x = 0;
    const parts = kinds.map(([kind, joules]) => { const width = 100 * joules / total, part = `<rect x="${x.toFixed(2)}%" width="${width.toFixed(2)}%" height="100%" class="k-${KINDS[kind][1]}"/>`; x += width; return part; });
    put('use', `<svg width="100%" height="16" aria-hidden="true">${parts.join('')}</svg><div class="leg">${kinds.map(([kind, joules]) => `<span><i class="sw ${SWATCH[kind] || kind}"></i>${KINDS[kind][0]} ${percent(joules / total)}${NB}%</span>`).join('')}</div>`);
  }
  function jobs() {
    const all = D.consumers;
    if (!all.length) { put('jobs', '<p class="s mut">No energy has been read yet.</p>'); return; }
    const energy = column('J', all.map(each => each.energy_j)), power = column('W', all.map(each => each.power_w));
    const most = Math.max(1e-9, ...all.map(each => each.high_j ?? each.energy_j));
    const rows = all.map(each => `<tr class="${each.kind}${each.is_running ? '' : ' over'}"><th scope="row"><i class="sw ${SWATCH[each.kind] || each.kind}"></i>${esc(each.name)}</th><td class="hm mut">${esc(each.detail)}${each.is_running ? '' : ' (ended)'}</td><td class="r">${each.power_w == null ? '' : power.cell(each.power_w)}</td><td class="r">${energy.cell(each.energy_j)}</td><td class="r hm">${energy.range(each.low_j, each.high_j)}</td><td class="r">${percent(each.share)}</td><td class="barc hm">${bar(each.energy_j, each.low_j, each.high_j, most, KINDS[each.kind][1])}</td></tr>`);
    put('jobs', `<div class="scroll"><table><thead><tr><th scope="col">Use</th><th scope="col" class="hm">Kind</th><th scope="col" class="r">Power<br>${power.name}</th><th scope="col" class="r">Energy<br>${energy.name}</th><th scope="col" class="r hm">Range<br>${energy.name}</th><th scope="col" class="r">Share<br>%</th><th scope="col" class="barc hm"><span class="vh">Energy with range</span></th></tr></thead><tbody>${rows.join('')}</tbody></table></div>${D.is_restricted ? '<p class="xs mut">Jobs of other users are not shown without a token.</p>' : ''}`);
  }
  const STATUS = { ok: '✓ ok', degraded: '! in part', absent: '– none', denied: '! denied', lost: '! lost', hung: '! hung', off: '– off' };
  const sources = () => put('sources', D.sources.length ? `<table><thead class="vh"><tr><th scope="col">Source</th><th scope="col">Status</th><th scope="col">Detail</th></tr></thead><tbody>${D.sources.map(each => `<tr><th scope="row" class="mono">${esc(each.name)}</th><td><span class="st ${esc(each.status)}">${STATUS[each.status] || esc(each.status)}</span></td><td>${esc(each.reason)}${each.remedy && each.status !== 'ok' ? `<br><span class="mut">${esc(each.remedy)}</span>` : ''}</td></tr>`).join('')}</tbody></table>` : '<p class="nm">no source was found</p>');
  const events = () => put('events', D.events.length ? D.events.slice(0, 6).map(each => `<li><time>${clock(each.t)}</time><span>${esc(each.text)}</span></li>`).join('') : '<li><span></span><span>No events.</span></li>');
  function tiles() {
    let from = H.t.length - 1;
    while (from > 0 && now - H.t[from - 1] < 300) from--;
    gpus.forEach((gpu, at) => {
      const tile = $('#g' + at), recent = H.gpu[at].slice(from), watts = recent[recent.length - 1], box = $('.sp', tile);
      const width = box.clientWidth, most = highest([recent]);
      let path = '', isOn = false;
      recent.forEach((each, index) => {
        if (each == null) { isOn = false; return; }
        path += (isOn ? 'L' : 'M') + (index / Math.max(1, recent.length - 1) * width).toFixed(1) + ' ' + (25 - each / most * 23).toFixed(1);
        isOn = true;
      });
      $('.p', tile).innerHTML = watts == null ? '<span class="nm">not measured</span>' : sig(watts) + '<small>W</small>';
      box.innerHTML = `<svg width="${width}" height="26" aria-hidden="true"><line class="grid" x1="0" x2="${width}" y1="25.5" y2="25.5"/><path class="l c-gpu" stroke-width="1.2" d="${path}"/></svg>`;
    });
  }
  function draw(everything) {
    values(); tiles();
    for (const id in charts) charts[id].plot.setData(charts[id].options.data());
    const plot = charts.total && charts.total.plot;
    read(plot && plot.cursor.left >= 0 ? plot : null);
    if (everything) { use(); jobs(); sources(); events(); }
  }

  // ---- the stream ----
  const push = (columns, triple) => { const [v, lo, hi] = triple; columns.v.push(v); columns.lo.push(lo); columns.hi.push(hi); };
  const on = {
    sample(message) {
      now = message.t;
      H.t.push(message.t);
      for (const name of ['total', 'cpu', 'memory']) push(H[name], message[name]);
      H.gpu.forEach((values, at) => values.push(message.gpu[at] ?? null));
      if (H.t.length > MOST) for (const values of [H.t, ...H.gpu, ...['total', 'cpu', 'memory'].flatMap(name => Object.values(H[name]))]) values.shift();
      D.now.total_w = message.total; D.now.energy_j = message.energy_j; D.now.grams = message.grams; D.now.g_per_kwh = message.g_per_kwh;
    },
    minute(message) {
      if (!D.cumulative) D.cumulative = { t0: message.t, step_s: 60, energy_j: { v: [], lo: [], hi: [] } };
      const c = D.cumulative;
      if (message.t >= c.t0 + c.energy_j.v.length * c.step_s) push(c.energy_j, message.energy_j);
    },
    consumers(message) { D.consumers = message; },
    source(message) {
      const known = D.sources.find(each => each.name === message.name);
      if (known) Object.assign(known, message); else D.sources.push(message);
    },
    gap(message) { D.gaps.push(message); if (D.gaps.length > 50) D.gaps.shift(); },
    event(message) { D.events.unshift(message); D.events.length = Math.min(D.events.length, 50); },
    lag() { location.reload(); },
    snapshot() { location.reload(); },
  };
  let waiting = false, everything = false;
  function handle(type, message) {
    heard = performance.now();
    on[type](message);
    everything = everything || type !== 'sample';
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; if (!paused) { draw(everything); everything = false; } });
  }
  // After a network error the browser connects again by itself; after an answer that is no stream it does not.
  let last = '';
  function connect() {
    const stream = new EventSource(last ? '/events?after=' + encodeURIComponent(last) : D.stream.url);
    for (const type in on) stream.addEventListener(type, event => { last = event.lastEventId || last; handle(type, JSON.parse(event.data)); });
    stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 5000); };
  }
  let announced = '';
  function state() {
    const age = (performance.now() - heard) / 1e3, stale = age > Math.max(3, 3 * D.stream.every_s), box = $('#live');
    box.className = 'live' + (paused ? ' paused' : stale ? ' stale' : '');
    box.lastChild.textContent = paused ? 'paused at ' + clock(now, true) : stale ? 'no data for ' + Math.round(age) + ' s, reconnecting' : 'live, ' + clock(now, true);
    const word = paused ? 'paused' : stale ? 'no data' : 'live';
    if (word !== announced) { announced = word; $('#state').textContent = word; }
    document.body.classList.toggle('stale-data', stale && !paused);
  }
  $$('[data-span]').forEach(button => button.addEventListener('click', () => {
    span = +button.dataset.span;
    $$('[data-span]').forEach(each => each.setAttribute('aria-pressed', each === button));
    draw(true);
  }));
  $('#pause').addEventListener('click', event => {
    paused = !paused;
    event.target.setAttribute('aria-pressed', paused);
    if (!paused) draw(true);
    state();
  });
  const resize = () => {
    for (const id in charts) { const { box, plot, height } = charts[id]; if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height }); }
    tiles();
  };
  let timer;
  addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(resize, 60); });
  matchMedia('(prefers-color-scheme:dark)').addEventListener('change', () => { build(); draw(true); });
  // Paper is light: the canvas is drawn again in its colours.
  const printed = isPrinting => () => { document.documentElement.classList.toggle('light', isPrinting); build(); resize(); };
  addEventListener('beforeprint', printed(true));
  addEventListener('afterprint', printed(false));
  build(); draw(true); state(); setInterval(state, 500); connect();
}
start();
})();
