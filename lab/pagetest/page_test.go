package pagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/page"
	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

// patience is how long a browser may take on a machine that does other things, too. Nobody waits
// for it but a test that fails.
const patience = 2 * time.Minute

// run stands in for a run of the lab. It is what the test sets it to.
type run struct {
	mu   sync.Mutex
	look page.Look
	told []string
}

func (r *run) set(change func(*page.Look)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.look)
}

func (r *run) Look(context.Context) page.Look {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.look
	l.Processes = slices.Clone(l.Processes)
	return l
}

func (r *run) Do(_ context.Context, act string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if act == "poison 10" {
		return "", fmt.Errorf("poison cannot be done here")
	}
	r.told = append(r.told, act)
	return act, nil
}

func (r *run) Try(_ context.Context, act string) (page.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, "try "+act)
	return page.Outcome{Accepted: 100, Lost: 52}, nil
}

func (r *run) History() history.Run { return history.Run{Step: "07-toy"} }

// heard waits until the run was told something.
func (r *run) heard(t *testing.T, act string) {
	t.Helper()
	eventually(t, "the run was told to "+act, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Contains(r.told, act)
	})
}

// eventually looks again and again until something holds, for as long as the patience lasts.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// open serves the page of a run with a producer and two consumers, and opens it.
func open(t *testing.T) (context.Context, *page.Page, *page.Server, *run) {
	t.Helper()
	r := &run{look: page.Look{
		Waits: 40, Processes: []page.Process{
			{Name: "producer", Kind: "producer", State: "up"},
			{Name: "consumer-1", Kind: "consumer", State: "up", Held: 1},
			{Name: "consumer-2", Kind: "consumer", State: "down"},
		},
		Services: []page.Service{{Name: "rabbitmq", Up: true, Owned: true}},
	}}
	r.look.Sum = ledger.Summary{Accepted: 12_345, Processed: 12_300, Open: 45, Duplicated: 3}
	p := page.New()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := page.Listen(ctx, p, page.About{
		Name: "07-toy", Title: "A work queue of orders, <with> competing consumers",
		Variant: "right", Doors: []string{"producer"}, Workers: []string{"consumer"},
		Acts: []page.Act{
			{Key: "b", Act: "burst 100", Help: "a burst of 100 orders"},
			{Key: "k", Act: "kill consumer", Help: "kill -9 a consumer"},
			{Act: "poison 10", Help: "poison 10"},
		},
	}, r)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return browse(t, s.URL()), p, s, r
}

// Every act can be done from the page: by a button, and by a key. What cannot be done is said.
func TestActs(t *testing.T) {
	t.Parallel()
	ctx, _, _, r := open(t)
	holds(t, ctx, `document.querySelectorAll("#stage .box button").length >= 6`)
	for _, label := range []string{
		"a burst of 100 orders b", "stop", "pause", "start", "restart",
	} {
		value[any](t, ctx, fmt.Sprintf(`[...document.querySelectorAll("button")]
			.find(b => b.textContent === %q).click()`, label))
	}
	for _, act := range []string{
		"burst 100", "stop producer", "pause producer", "start consumer-2", "restart rabbitmq",
	} {
		r.heard(t, act)
	}
	value[any](t, ctx, `document.body.dispatchEvent(
		new KeyboardEvent("keydown", {key: "k", bubbles: true}))`)
	r.heard(t, "kill consumer")

	value[any](t, ctx, `[...document.querySelectorAll("#acts button")].at(-1).click()`)
	holds(t, ctx, `document.querySelector("#trouble").textContent.includes("cannot be done here")`)
}

// Keys do nothing while somebody types a number.
func TestTypingIsNoAct(t *testing.T) {
	t.Parallel()
	ctx, _, _, r := open(t)
	holds(t, ctx, `!!document.querySelector("#fault option")`)
	value[any](t, ctx, `document.querySelector("#lost").dispatchEvent(
		new KeyboardEvent("keydown", {key: "k", bubbles: true}))`)
	value[any](t, ctx, `document.body.dispatchEvent(
		new KeyboardEvent("keydown", {key: "b", bubbles: true}))`)
	r.heard(t, "burst 100")
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.told, "kill consumer") {
		t.Error("a letter in a field has killed a consumer")
	}
}

// The keyboard alone reaches every button, in the order of the page.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := open(t)
	holds(t, ctx, `document.querySelectorAll("#stage .box button").length >= 6`)
	if n := value[int](t, ctx, `[...document.querySelectorAll("button, select, input, a")]
		.filter(e => e.offsetParent && !e.disabled && e.tabIndex < 0).length`); n > 0 {
		t.Errorf("%d things to press cannot be reached by the keyboard", n)
	}
	if n := value[int](t, ctx, `[...document.querySelectorAll("button")]
		.filter(b => !b.textContent.trim()).length`); n > 0 {
		t.Errorf("%d buttons have no name", n)
	}
}

// An order is a dot where it is now. One that was lost is marked at the end, and one that was done
// twice stays to be seen.
func TestLostOrdersAreSeen(t *testing.T) {
	t.Parallel()
	ctx, p, s, r := open(t)
	holds(t, ctx, `!!document.querySelector("[data-place=rabbitmq]")`)
	for _, order := range []string{"a", "b", "c"} {
		p.Event(ledger.Event{Kind: ledger.Accepted, Order: order, Process: "producer"}, ledger.Promise)
	}
	p.Event(ledger.Event{Kind: ledger.Processed, Order: "a", Process: "consumer-1"}, ledger.Effect)
	p.Event(ledger.Event{Kind: ledger.Processed, Order: "a", Process: "consumer-1"}, ledger.Duplicate)
	holds(t, ctx, `document.querySelector("#dots").dataset.lost === "0"`)
	if lost := value[string](t, ctx, `document.querySelector("#figure-lost").textContent`); lost != "–" {
		t.Errorf("while the run goes on, %q orders are lost: nobody can know", lost)
	}
	r.set(func(l *page.Look) { l.Lost = 2 })
	// The orders must have been told before the end is.
	holds(t, ctx, `document.querySelector("#dots").dataset.drawn >= 3`)
	s.Finish(t.Context())
	holds(t, ctx, `document.querySelector("#dots").dataset.lost === "2"`)
	holds(t, ctx, `document.querySelector("#figure-lost").textContent === "2"`)
	holds(t, ctx, `document.querySelector("#figure-duplicated").textContent === "3"`)
}

// What was foretold is compared with what comes of it.
func TestPredict(t *testing.T) {
	t.Parallel()
	ctx, _, _, r := open(t)
	holds(t, ctx, `!!document.querySelector("#fault option")`)
	try := func(fault, lost, twice, says string) {
		t.Helper()
		value[any](t, ctx, fmt.Sprintf(`(() => {
			document.querySelector("#fault").value = %q;
			document.querySelector("#lost").value = %q;
			document.querySelector("#twice").value = %q;
			document.querySelector("#predict button").click();
		})()`, fault, lost, twice))
		holds(t, ctx, fmt.Sprintf(`document.querySelector("#verdict").textContent.startsWith(%q)`, says))
	}
	try("kill consumer-1", "0", "10", "It was otherwise: 52 lost, 0 done twice")
	r.heard(t, "try kill consumer-1")
	try("restart rabbitmq", "52", "0", "You were right: 52 lost")
}

// The past can be shown slowly, and then the present again.
func TestReplay(t *testing.T) {
	t.Parallel()
	ctx, _, _, r := open(t)
	holds(t, ctx, `document.querySelector("#figure-accepted")?.textContent === "12,345"`)
	r.set(func(l *page.Look) { l.Sum.Accepted = 20_000 })
	holds(t, ctx, `document.querySelector("#figure-accepted")?.textContent === "20,000"`)
	value[any](t, ctx, `document.querySelector("#whole").click()`)
	holds(t, ctx, `document.querySelector("#figure-accepted")?.textContent === "12,345"
		&& document.querySelector("#mode").textContent.includes("the past")`)
	value[any](t, ctx, `document.querySelector("#live").click()`)
	holds(t, ctx, `document.querySelector("#figure-accepted")?.textContent === "20,000"
		&& document.querySelector("#mode").hidden`)
}

// Who only has the address of this machine, and not the token, may look and not act.
func TestWithoutToken(t *testing.T) {
	t.Parallel()
	_, _, s, _ := open(t)
	base, _, _ := strings.Cut(s.URL(), "?")
	ctx := browse(t, base)
	holds(t, ctx, `document.querySelector("#trouble").textContent.includes("You can look, and not act")`)
	holds(t, ctx, `[...document.querySelectorAll("#acts button, #stage button")].length > 3`)
	if n := value[int](t, ctx, `[...document.querySelectorAll("#acts button, #stage button")]
		.filter(b => !b.disabled).length`); n > 0 {
		t.Errorf("%d buttons can be pressed", n)
	}
}

// Nothing is cut off in a hall, by light or by dark; a screen reader gets the ledger.
func TestReadableInAHall(t *testing.T) {
	t.Parallel()
	ctx, _, _, _ := open(t)
	holds(t, ctx, `document.querySelectorAll("#stage .box button").length >= 6`)
	for _, size := range [][2]int64{{1280, 800}, {1920, 1080}} {
		do(t, ctx, chromedp.EmulateViewport(size[0], size[1]))
		for _, scheme := range []string{"light", "dark"} {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			if err != nil {
				t.Fatal(err)
			}
			holds(t, ctx, `document.documentElement.scrollWidth <= innerWidth`)
			holds(t, ctx, `document.querySelector("#controls").getBoundingClientRect().bottom <= innerHeight`)
			if px := value[float64](t, ctx, `parseFloat(getComputedStyle(
				document.querySelector("#figure-accepted")).fontSize)`); px < 32 {
				t.Errorf("at %v in %s the ledger's figures are %v px high", size, scheme, px)
			}
			if ratio := value[float64](t, ctx, contrast); ratio < 4.5 {
				t.Errorf("in %s the text has a contrast of %.1f, want 4.5 (WCAG 2.2, 1.4.3)",
					scheme, ratio)
			}
		}
	}
	holds(t, ctx, `document.querySelector("#spoken").textContent.startsWith("accepted 12345")`)
}

// contrast is the lowest contrast of the page's colours against their ground.
const contrast = `(() => {
	const light = (name) => {
		const e = document.createElement("span");
		e.style.color = "var(--" + name + ")";
		document.body.append(e);
		const [r, g, b] = getComputedStyle(e).color.match(/[\d.]+/g).map(Number)
			.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
		e.remove();
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const ground = light("card");
	return Math.min(...["ink", "faint", "done", "twice", "lost"].map(light)
		.map(l => (Math.max(l, ground) + .05) / (Math.min(l, ground) + .05)));
})()`

// browse opens the page in a Chromium without a window. Whatever it complains of fails the test,
// and so does a request to anywhere else.
func browse(t *testing.T, url string) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(servicestest.Chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 800),
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	base, _, _ := strings.Cut(url, "?")
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
			if !strings.HasPrefix(at, base) && !strings.HasPrefix(at, "data:") {
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
	eventually(t, expression, func() bool { return value[bool](t, ctx, expression) })
}
