package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"course.example/12-actors/dashboard"
	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

// scene is what the page is shown, and can be changed while it looks.
type scene struct {
	mu   sync.Mutex
	view dashboard.View
}

func (s *scene) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.view.Silos) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err := json.NewEncoder(w).Encode(s.view); err != nil {
		slog.Debug("the page has gone", "error", err)
	}
}

func (s *scene) set(view dashboard.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = view
}

// threeSilos has six stock grains on silos 1 and 2, and many orders on the third. One stock has a
// name that is a trap.
func threeSilos() dashboard.View {
	stocks := [][]string{{"book", "cup", trap}, {"pen", "lamp", "chair"}, nil}
	v := dashboard.View{
		Variant: "no-version",
		Grains: []dashboard.KindView{
			{Kind: "Order", Activations: 500, CallsPerSec: 50, Calls: 4321},
			{Kind: "Stock", Activations: 6, CallsPerSec: 12.34, Calls: 1234, Errors: 3,
				P50Micros: 250, P99Micros: 7500},
		},
		Front: dashboard.KindCensus{Kind: "POST /orders", CallsPerSec: 4, Calls: 99},
		Audit: dashboard.AuditView{Promised: 1200},
		Log: []dashboard.Event{
			{Time: time.Now(), Event: "activated", Silo: "silo-2", Grain: "Stock/pen"},
			{Time: time.Now(), Event: "silo gone", Silo: "silo-0",
				Reason: "its lease has run out"},
			{Time: time.Now(), Event: "activated", Silo: "silo-0", Grain: "Stock/pen"},
			{Time: time.Now(), Event: "deactivated", Silo: "silo-1",
				Grain: "Order/01a208bf-0cfc-7df3-8777-085d0c7bea7f"},
			{Time: time.Now(), Event: "silo joined", Silo: "silo-1"},
		},
	}
	for i, names := range stocks {
		v.Silos = append(v.Silos, dashboard.SiloView{
			ID: fmt.Sprint("id-", i), Name: fmt.Sprint("silo-", i+1), State: "up", PID: 42,
			Address: "127.0.0.1:1", UptimeSeconds: 75, HeapBytes: 25 << 20, Goroutines: 321,
			Activations: 3, CallsPerSec: 7,
			Kinds: []dashboard.KindCensus{{Kind: "Stock", Activations: 3, Grains: names}},
		})
	}
	orders := dashboard.KindCensus{Kind: "Order", Activations: 500}
	for i := range 200 { // a silo names the newest
		orders.Grains = append(orders.Grains, fmt.Sprint(i))
	}
	v.Silos[2].Activations, v.Silos[2].Kinds = 500, []dashboard.KindCensus{orders}
	return v
}

const trap = `<img src=x onerror="document.title='caught'">`

// browse opens the page in a Chromium without a window. Whatever it complains of fails the test,
// and so does a request to anywhere else.
func browse(t *testing.T, url string) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(servicestest.Chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 720),
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var complaints []string
	complain := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, text)
	}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			complain("exception: " + e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			// That an answer was an error is for the page to say, which is tested.
			if !strings.Contains(e.Entry.Text, "the server responded with a status of") {
				complain("the console says: " + e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			at := e.Request.URL
			if !strings.HasPrefix(at, url) && !strings.HasPrefix(at, "data:") {
				complain("it asks elsewhere: " + at)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Error(c)
		}
	})
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(url))
	return ctx
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// press clicks a button, as somebody does who looks whether the click was taken: one on a button
// that still waits for its last answer is none, and so is one that the page moves away from under
// the mouse. It is made again then.
func press(t *testing.T, ctx context.Context, query string) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		holds(t, ctx, fmt.Sprintf(`(() => {
			const button = document.querySelector(%q);
			if (!button?.offsetParent || button.disabled) return false;
			window.taken = false;
			button.addEventListener('click', () => { window.taken = true }, { once: true });
			return true;
		})()`, query))
		clicked, cancel := context.WithTimeout(ctx, patience)
		err := chromedp.Do(clicked, chromedp.Click(chromedp.CSS(query), chromedp.NodeVisible))
		cancel()
		if value[bool](t, ctx, `window.taken`) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no click on %s was taken; the last one: %v", query, err)
		}
	}
}

// patience is how long a browser may take on a machine that does other things, too. Nobody waits
// for it but a test that fails.
const patience = 2 * time.Minute

// value returns what an expression of JavaScript is.
func value[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// holds waits until an expression of JavaScript is true.
func holds(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !value[bool](t, ctx, expression) {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: it never holds; the page:\n%.1500s", expression,
				value[string](t, ctx, "document.body.innerText"))
		}
	}
}

func open(t *testing.T, lab *dashboard.Lab) (context.Context, *scene) {
	t.Helper()
	s := &scene{view: threeSilos()}
	mux := http.NewServeMux()
	mux.Handle("GET /cluster", s)
	dashboard.Register(mux, lab)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return browse(t, server.URL), s
}

const find = `const grain = (name) =>
		document.querySelector('[data-grain="' + CSS.escape(name) + '"]');
	const at = (name) => grain(name)?.closest('.silo')?.dataset.silo;
	const text = (q) => document.querySelector(q)?.innerText.replace(/\s+/g, ' ').trim();`

func js(expression string) string { return "(() => {" + find + "return " + expression + "})()" }

func TestPageShowsTheCluster(t *testing.T) {
	ctx, s := open(t, nil)
	holds(t, ctx, js(`text('#sum') ===
		'3 silos · 506 activations · 62 calls/s · 3 errors · variant no-version'`))
	holds(t, ctx, js(`document.querySelectorAll('.silo').length === 3`))
	for query, want := range map[string]string{
		"[data-silo=silo-1] .state":       "up",
		"[data-silo=silo-1] .up":          "1 min 15 s",
		"[data-silo=silo-1] .activations": "3",
		"[data-silo=silo-1] .calls":       "7.0",
		"[data-silo=silo-1] .heap":        "25 MB",
		"[data-silo=silo-1] .goroutines":  "321",
		"[data-silo=silo-3] .more":        "and 300 more",
		"[data-kind=Stock]":               "Stock 6 12 1,234 3 0.25 ms 7.5 ms",
		"[data-kind=Order] .errors":       "0",
		"[data-kind='POST /orders']":      "POST /orders 4.0 99 0 0.00 ms 0.00 ms",
		"#audit": "Audit: 1,200 pieces promised to customers, 0 missing in the books, " +
			"0 too many.",
	} {
		holds(t, ctx, js(`text("`+query+`") === '`+want+`'`))
	}
	holds(t, ctx, js(`document.querySelector('[data-silo=silo-1] meter').value.toFixed(2) === '0.33'`))
	// Of a few each has its name, of many each has its place.
	holds(t, ctx, js(`at('Stock/pen') === 'silo-2' && grain('Stock/pen').innerText === 'Stock/pen'`))
	holds(t, ctx, js(`document.querySelectorAll('[data-silo=silo-3] .grain').length === 200`))
	for i, want := range []string{
		"Stock/pen moved from silo-0 to silo-2", "silo-0 gone: its lease has run out",
		"Stock/pen placed on silo-0", "Order/…0c7bea7f deactivated on silo-1", "silo-1 joined",
	} {
		holds(t, ctx, js(fmt.Sprintf(`text('#log li:nth-child(%d)').endsWith('%s')`, i+1, want)))
	}
	// What comes from outside is text, not a piece of the page.
	holds(t, ctx, js(`document.title === 'Silos and grains' && !document.querySelector('img')`))
	// Without a lab there is nothing to press.
	holds(t, ctx, js(`[...document.querySelectorAll('button')].every((b) => !b.offsetParent)`))
	// It fits on a projector, and on a telephone.
	holds(t, ctx, js(`document.documentElement.scrollWidth <= innerWidth`))
	do(t, ctx, chromedp.EmulateViewport(390, 800))
	holds(t, ctx, js(`document.documentElement.scrollWidth <= innerWidth`))

	s.set(dashboard.View{Error: "no silo answers"})
	holds(t, ctx, js(`text('#unseen') === 'The cluster cannot be seen: no silo answers'`))
	late := threeSilos()
	late.Silos[1].State, late.Silos[1].SilentMillis = "late", 1500
	late.Audit.Missing = 2
	s.set(late)
	holds(t, ctx, js(`[...document.querySelectorAll('.trouble')].every((e) => !e.offsetParent)`))
	holds(t, ctx, js(`text('[data-silo=silo-2] .state') === 'silent for 1500.0 ms'`))
	holds(t, ctx, js(`document.querySelector('#audit.wrong') !== null`))
	late.Audit.Missing, late.Audit.Overwrites = 0, 7
	s.set(late)
	holds(t, ctx, js(`text('#audit.wrong')?.endsWith('0 too many. 7 writes were written over.')`))
}

// A silo is killed, and its grains are seen to move: the same elements, in another place.
func TestPageMovesGrains(t *testing.T) {
	ctx, s := open(t, nil)
	holds(t, ctx, js(`at('Stock/pen') === 'silo-2'`))
	value[bool](t, ctx, js(`grain('Stock/pen').mine = true`))
	killed := threeSilos()
	killed.Silos[0].Kinds[0].Grains = []string{"cup", trap, "pen", "lamp", "chair"} // no book
	killed.Silos[1].State, killed.Silos[1].Kinds, killed.Silos[1].Activations = "gone", nil, 0
	s.set(killed)
	holds(t, ctx, js(`at('Stock/pen') === 'silo-1' && grain('Stock/pen').mine`))
	holds(t, ctx, js(`grain('Stock/book') === null`))
	holds(t, ctx, js(`text('#sum').startsWith('2 silos')`))
	holds(t, ctx, js(`text('[data-silo=silo-2] .state') === 'gone'`))

	// It is started again: another silo, of the same name, and nothing is left of the old one.
	again := threeSilos()
	again.Silos[1].ID = "id-new"
	again.Silos = append(again.Silos, killed.Silos[1])
	s.set(again)
	holds(t, ctx, js(`at('Stock/pen') === 'silo-2' && grain('Stock/pen').mine`))
	holds(t, ctx, js(`document.querySelectorAll('[data-silo=silo-2]').length === 1`))
	holds(t, ctx, js(`text('[data-silo=silo-2] .state') === 'up'`))
}

func TestPageHasButtonsUnderTheLab(t *testing.T) {
	fake, lab := dashboard.NewLab(t)
	ctx, s := open(t, lab)
	told := func(want string) {
		t.Helper()
		limit := time.After(patience)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for fake.Told() != want {
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("the lab was told %q, want %q", fake.Told(), want)
			}
		}
	}
	const kill, stop, add = `[data-silo="silo-2"] .kill`, `[data-silo="silo-1"] .stop`, `#add`
	press(t, ctx, kill)
	told("kill silo-2")
	answer := fake.Hold("stop silo-1")
	t.Cleanup(answer)
	press(t, ctx, stop)
	told("kill silo-2, stop silo-1")
	press(t, ctx, add)
	told("kill silo-2, stop silo-1, scale silo +1")

	// What was refused can be read: neither the next look at the cluster takes it away nor an act
	// that succeeds late, but the next press of a button does.
	const refused = "there are 64 silos, and no more than that"
	fake.Refuse(refused)
	press(t, ctx, add)
	holds(t, ctx, js(`text('#refused') === '`+refused+`'`))
	holds(t, ctx, js(`document.querySelector('`+stop+`').disabled`))
	answer()
	holds(t, ctx, js(`!document.querySelector('`+stop+`').disabled`))
	s.set(dashboard.View{Error: "no silo answers"})
	holds(t, ctx, js(`text('#unseen') === 'The cluster cannot be seen: no silo answers'`))
	s.set(threeSilos())
	holds(t, ctx, js(`!document.querySelector('#unseen').offsetParent`))
	holds(t, ctx, js(`text('#refused') === '`+refused+`'`))
	fake.Refuse("")
	press(t, ctx, add)
	holds(t, ctx, js(`!document.querySelector('#refused').offsetParent`))

	gone := threeSilos()
	gone.Silos[0].State = "gone"
	gone.Silos[1].Name, gone.Silos[1].ID = "web", "id-web"
	s.set(gone)
	// Nobody kills the dead, or the web app that serves this page.
	holds(t, ctx, js(`!document.querySelector('[data-silo=silo-1] .kill').offsetParent`))
	holds(t, ctx, js(`!document.querySelector('[data-silo=web] .kill').offsetParent`))
}

// In both colour schemes the text stands out from what is behind it: 4.5 to 1 at least, as WCAG 2.2
// has it in section 1.4.3.
func TestPageIsReadableInLightAndDark(t *testing.T) {
	ctx, _ := open(t, nil)
	holds(t, ctx, js(`document.querySelectorAll('.silo').length === 3`))
	const contrast = `(() => {
		const light = (c) => {
			const [r, g, b] = c.match(/[\d.]+/g).map(Number).map((v) => v / 255)
				.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
			return 0.2126 * r + 0.7152 * g + 0.0722 * b;
		};
		const behind = (e) => {
			const c = getComputedStyle(e).backgroundColor;
			return /, 0\)$/.test(c) ? behind(e.parentElement) : c;
		};
		return ['h1', '#sum', '.silo h2', '.state', 'dt', 'dd', '.grain.named', '.more', 'th', 'td',
			'.errors.some', '#log li', '#log time'].map((q) => {
			const e = document.querySelector(q);
			const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
			return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) >= 4.5 ? '' : q;
		}).filter(Boolean).join(', ');
	})()`
	seen := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		if err != nil {
			t.Fatal(err)
		}
		weak := value[string](t, ctx, contrast)
		colour := value[string](t, ctx, `getComputedStyle(document.body).backgroundColor`)
		if weak != "" {
			t.Errorf("%s: too little contrast: %s", scheme, weak)
		}
		seen[colour] = true
	}
	if len(seen) != 2 {
		t.Errorf("light and dark look the same: %v", seen)
	}
}
