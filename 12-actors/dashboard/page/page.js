// Asks /cluster a few times a second and draws what it says. A grain keeps its element for as long
// as it is active anywhere, so that one sees it move from silo to silo.

const every = 500 // milliseconds between two questions
const fewEnoughToName = 24 // activations of a kind

const $ = (id) => document.getElementById(id)
const cards = new Map() // a silo's identity to its element
const grains = new Map() // "Stock/book" to its element
const colours = new Map() // "Stock" to its colour, in order of appearance
const calm = matchMedia('(prefers-reduced-motion: reduce)')

function colour(kind) {
  if (!colours.has(kind)) colours.set(kind, `kind-${colours.size % 6}`)
  return colours.get(kind)
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text
}

const count = (n) => Math.round(n).toLocaleString('en')
const rate = (n) => (n < 10 ? n.toFixed(1) : count(n))
const millis = (us) => `${(us / 1000).toFixed(us < 1000 ? 2 : 1)} ms`

// short leaves of an order's long identity what the log of the lab shows of it, too.
const short = (name) => name.replace(/[0-9a-f]{8}-[0-9a-f-]{19}([0-9a-f]{8})$/, '…$1')

function uptime(seconds) {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`
}

function newCard(name) {
  const card = $('silo').content.firstElementChild.cloneNode(true)
  card.dataset.silo = name
  put(card.querySelector('h2'), name)
  for (const verb of ['kill', 'stop']) {
    card.querySelector(`.${verb}`).onclick = (e) =>
      act(e.target, `/silos/${encodeURIComponent(name)}/${verb}`)
  }
  return card
}

// showSilos draws a card for every silo. One that is gone stays for a while, unless its name is
// back: that is another silo, with the same name.
function showSilos(silos, buttons) {
  const all = silos.reduce((n, s) => n + s.calls_per_s, 0)
  for (const s of silos) {
    if (!cards.has(s.id)) cards.set(s.id, newCard(s.name))
    const card = cards.get(s.id)
    const set = (name, text) => put(card.querySelector(`.${name}`), text)
    card.dataset.state = s.state
    card.title = `${s.address}, process ${s.pid}`
    set('state', s.state === 'late' ? `silent for ${millis(s.silent_ms * 1000)}` : s.state)
    set('up', uptime(s.uptime_s))
    set('activations', count(s.activations))
    set('calls', rate(s.calls_per_s))
    set('heap', `${count(s.heap_bytes / 2 ** 20)} MB`)
    set('goroutines', count(s.goroutines))
    card.querySelector('meter').value = all > 0 ? s.calls_per_s / all : 0
    const ours = buttons && /^silo(-\d+)?$/.test(s.name)
    card.querySelector('.acts').hidden = !ours || s.state === 'gone'
  }
  const shown = new Set(silos.map((s) => s.id))
  for (const id of cards.keys()) if (!shown.has(id)) cards.delete(id)
  arrange($('silos'), silos.map((s) => cards.get(s.id)))
}

// arrange gives a box these children, in this order, and touches only what is not there yet:
// whoever is about to press a button must not have it taken away.
function arrange(box, children) {
  for (const child of [...box.children]) if (!children.includes(child)) child.remove()
  children.forEach((child, i) => {
    if (box.children[i] !== child) box.insertBefore(child, box.children[i] ?? null)
  })
}

// showGrains puts every grain where it is. First, Last, Invert, Play: an element is moved at once,
// shown at its old place, and let slide to the new one.
function showGrains(silos, kinds) {
  const named = new Set(kinds.filter((k) => k.activations <= fewEnoughToName).map((k) => k.kind))
  const moved = []
  const seen = new Set()
  for (const s of silos) {
    const box = cards.get(s.id).querySelector('.grains')
    const before = seen.size
    for (const k of s.kinds ?? []) {
      for (const id of k.grains ?? []) {
        const name = `${k.kind}/${id}`
        if (seen.has(name)) continue // on its way: two silos still tell of it
        seen.add(name)
        let dot = grains.get(name)
        if (!dot) {
          dot = document.createElement('span')
          dot.title = dot.dataset.grain = name
          dot.className = `grain ${colour(k.kind)}`
          grains.set(name, dot)
        }
        dot.classList.toggle('named', named.has(k.kind))
        put(dot, named.has(k.kind) ? short(name) : '')
        if (dot.parentElement === box) continue
        if (dot.isConnected) moved.push([dot, dot.getBoundingClientRect()])
        box.append(dot)
      }
    }
    const more = cards.get(s.id).querySelector('.more')
    const unnamed = s.activations - (seen.size - before)
    more.hidden = unnamed <= 0
    put(more, `and ${count(unnamed)} more`)
  }
  for (const [name, dot] of grains) {
    if (seen.has(name)) continue
    dot.remove()
    grains.delete(name)
  }
  if (calm.matches) return
  for (const [dot, from] of moved) {
    const to = dot.getBoundingClientRect()
    dot.animate(
      [{ transform: `translate(${from.x - to.x}px, ${from.y - to.y}px)` }, { transform: 'none' }],
      { duration: 900, easing: 'ease-in-out' },
    )
  }
}

function cell(text, className = '') {
  const td = document.createElement('td')
  td.textContent = text
  td.className = className
  return td
}

function kindRow(k, activations, dotted) {
  const row = document.createElement('tr')
  row.dataset.kind = k.kind
  const name = cell(k.kind)
  if (dotted) {
    const dot = document.createElement('span')
    dot.className = `grain ${colour(k.kind)}`
    name.prepend(dot)
  }
  row.append(name, cell(activations), cell(rate(k.calls_per_s)), cell(count(k.calls)),
    cell(count(k.errors), k.errors ? 'errors some' : 'errors'), cell(millis(k.p50_us)),
    cell(millis(k.p99_us)))
  return row
}

// showKinds also shows the front door, to which the grains' latencies add up.
function showKinds(c) {
  const rows = c.grains.map((k) => kindRow(k, count(k.activations), true))
  if (c.front?.kind) rows.push(kindRow(c.front, '', false))
  $('kinds').replaceChildren(...rows)
  const a = c.audit
  if (!a) return
  const lost = a.overwrites > 0 ? ` ${count(a.overwrites)} writes were written over.` : ''
  put($('audit'), `Audit: ${count(a.promised)} pieces promised to customers, ` +
    `${count(a.missing)} missing in the books, ${count(a.surplus)} too many.${lost}`)
  $('audit').classList.toggle('wrong', a.missing > 0 || a.surplus > 0 || a.overwrites > 0)
}

// sentences turns the log, newest first, into text. A grain that was on another silo before has
// moved: the log says so only of each silo by itself.
function sentences(log) {
  const last = new Map()
  return log.toReversed().map((e) => {
    const before = last.get(e.grain)
    if (e.grain && e.event === 'activated') last.set(e.grain, e.silo)
    const why = e.reason ? `: ${e.reason}` : ''
    const grain = short(e.grain ?? '')
    if (!e.grain) return `${e.silo} ${e.event.replace(/^silo /, '')}${why}`
    if (e.event !== 'activated') return `${grain} ${e.event} on ${e.silo}${why}`
    if (before && before !== e.silo) return `${grain} moved from ${before} to ${e.silo}`
    return `${grain} placed on ${e.silo}`
  }).toReversed()
}

let logged = ''
function showLog(log) {
  const now = JSON.stringify(log)
  if (now === logged) return
  logged = now
  const texts = sentences(log)
  $('log').replaceChildren(...log.map((e, i) => {
    const line = document.createElement('li')
    line.className = e.event.split(' ').at(-1)
    const time = document.createElement('time')
    time.textContent = new Date(e.time).toLocaleTimeString('en', { hour12: false })
    line.append(time, texts[i])
    return line
  }))
}

function showSum(c) {
  const up = c.silos.filter((s) => s.state !== 'gone').length
  const sum = (of) => c.grains.reduce((n, k) => n + of(k), 0)
  put($('sum'), `${up} ${up === 1 ? 'silo' : 'silos'} · ` +
    `${count(sum((k) => k.activations))} activations · ` +
    `${rate(sum((k) => k.calls_per_s))} calls/s · ${count(sum((k) => k.errors))} errors` +
    (c.variant && c.variant !== 'right' ? ` · variant ${c.variant}` : ''))
}

// complain shows what is wrong in a line of its own, '' that nothing is. What a button was answered
// and what became of the last look are two lines: the next look must not take away the answer
// before anybody has read it.
function complain(line, text) {
  $(line).hidden = !text
  put($(line), text)
}

// ask fetches JSON; what went wrong is a text for people.
async function ask(path, options) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(35000), ...options })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.error ?? answer.statusText)
  return body
}

// latest leaves out silos that are gone whose name is back.
function latest(silos) {
  const back = new Set(silos.filter((s) => s.state !== 'gone').map((s) => s.name))
  const shown = new Map()
  for (const s of silos) if (s.state !== 'gone' || !back.has(s.name)) shown.set(s.name + s.state, s)
  return [...shown.values()]
}

const unseen = 'The cluster cannot be seen: '
async function look() {
  try {
    const { buttons } = await ask('/dashboard/buttons')
    const c = await ask('/cluster')
    c.silos = latest(c.silos)
    showSum(c)
    showSilos(c.silos, buttons)
    showGrains(c.silos, c.grains)
    showKinds(c)
    showLog(c.log)
    $('add').hidden = !buttons
    complain('unseen', c.error ? unseen + c.error : '')
  } catch (e) {
    complain('unseen', unseen + e.message)
  }
  setTimeout(look, every)
}

// act does what a button says. A refusal stays until the next press, of whichever button: an act
// that succeeds late says nothing of the one that was refused meanwhile.
async function act(button, path) {
  button.disabled = true
  complain('refused', '')
  try {
    await ask(path, { method: 'POST' })
  } catch (e) {
    complain('refused', e.message)
  } finally {
    button.disabled = false
  }
}

$('add').onclick = (e) => act(e.target, '/silos')
look()
