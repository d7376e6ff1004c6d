package observability

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// One order is found on the page by the end of its identity or by its trace's, and what is shown
// is the whole journey with its lines.
func findOnThePage(t *testing.T, w *world, order, trace string) {
	t.Helper()
	page := browse(t, w.receiver)
	for _, looksFor := range []string{order[len(order)-8:], trace} {
		page.does(`$('q').value = %q; $('q').dispatchEvent(new Event('input'))`, looksFor)
		page.sees(`all('tr.go').length === 1 && all('tr.go')[0].innerText.includes('POST /orders')`)
	}
	page.does(`all('tr.go')[0].click()`)
	page.sees(`all('.row').length === 9`)
	for _, line := range []string{"order accepted", "order processed", "parcel packed"} {
		page.sees(`all('.note').some(n => n.innerText.includes(%q))`, line)
	}
	page.does(`all('.row')[1].click()`)
	page.sees(`all('.more').some(m => m.innerText.includes('messaging.system = rabbitmq'))`)
}

// The way of the README: the slowest trace names the slow consumer, a failed one the failing
// consumer and its reason, and beside their peers both stand out.
func findTheTwoOnThePage(t *testing.T, w *world) {
	t.Helper()
	page := browse(t, w.receiver)
	const process = `all('.row').some(r => r.innerText.includes('process orders') && ` +
		`r.innerText.includes(%q))`
	page.sees(`all('tr.go').length === 60`)
	page.does(`$('slow').click()`)
	page.sees(`all('tr.go .bar')[0].style.width === '100%%'`)
	page.does(`all('tr.go')[0].click()`)
	page.sees(process, "consumer-2")

	page.does(`$('slow').click(); $('failed').click()`)
	page.sees(`all('tr.go').length > 0 && all('tr.go').every(r => r.innerText.includes('✗'))`)
	page.does(`all('tr.go')[0].click()`)
	page.sees(process, "consumer-3")
	page.sees(`all('.note.bad').some(n => n.innerText.includes('connection refused'))`)

	page.does(`document.querySelector('[data-tab=workers]').click()`)
	const worker = `all('tr.go').map(r => [...r.cells]).find(c => ` +
		`c[0].innerText === 'process orders' && c[1].innerText === %q)`
	const failed, median = 3, 4
	for _, c := range []struct {
		process string
		column  int
		odd     bool
	}{
		{"consumer-1", failed, false}, {"consumer-1", median, false},
		{"consumer-2", failed, false}, {"consumer-2", median, true},
		{"consumer-3", failed, true}, {"consumer-3", median, false},
	} {
		page.sees(worker+`?.[%d].classList.contains('odd') === %t`, c.process, c.column, c.odd)
	}
}

// browser is a Chromium without a window that looks at one page.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// browse opens a page. An exception in it fails the test, and so does a request to anywhere else.
func browse(t *testing.T, url string) browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(servicestest.Chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
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
	must(t, chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			complain("an exception on the page: " + e.ExceptionDetails.Text)
		case *network.EventRequestWillBeSent:
			if at := e.Request.URL; !strings.HasPrefix(at, url) && !strings.HasPrefix(at, "data:") {
				complain("the page asks elsewhere: " + at)
			}
		}
	}))
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Error(c)
		}
	})
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	must(t, err)
	loading, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	must(t, chromedp.Do(loading, chromedp.Navigate(url)))
	return browser{t, ctx}
}

// is returns whether an expression of JavaScript is true on the page.
func (b browser) is(expression string) bool {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
		"(() => { const all = q => [...document.querySelectorAll(q)]; return "+expression+" })()"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return is
}

// does does something on the page, as somebody would who sits before it.
func (b browser) does(what string, args ...any) {
	b.t.Helper()
	b.is("(() => { " + fmt.Sprintf(what, args...) + "; return true })()")
}

// sees waits until something is to be seen on the page.
func (b browser) sees(what string, args ...any) {
	b.t.Helper()
	what = fmt.Sprintf(what, args...)
	eventually(b.t, "the page to show that "+what, func() bool { return b.is(what) })
}
