package score

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The pages tell of the newest figures that are kept, and of no others.
func TestPagesTellOfTheNewest(t *testing.T) {
	t.Parallel()
	root, path, report := newest(t)
	pages, err := report.Pages(root)
	if errors.Is(err, ErrOldProtocol) {
		return // the pages tell of what was measured then, and are not written any more
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if string(got) != want {
			t.Errorf("%s does not tell of %s: go run ./score -publish", name, path)
		}
	}
}

// What a report lacks is told by name.
func TestMissing(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	r := &Report{}
	r.Put(Row{Step: "06-db-outbox", Variant: "right", Halves: []Half{{}}})
	missing, err := r.Missing(root)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(missing, "\n") + "\n"
	for _, want := range []string{
		"07-rabbitmq\n", "06-db-outbox: waiting orders\n", "06-db-outbox: scalability\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not said to be missing:\n%s", want, all)
		}
	}
	for _, bad := range []string{"06-db-outbox: redundancy", "01-"} {
		if strings.Contains(all, bad) {
			t.Errorf("%q is said to be missing:\n%s", bad, all)
		}
	}
}

// Each figure of the newest table that is odd has its sentence beside it.
func TestOddFiguresAreExplained(t *testing.T) {
	t.Parallel()
	_, path, report := newest(t)
	if report.Protocol != Protocol {
		return // measured otherwise, and odd for other reasons
	}
	for _, o := range report.Oddities() {
		if o.Why == "" {
			t.Errorf("%s: %s, %s: %s: write the sentence under odd: in its lab.yaml",
				path, o.Row, o.Column, o.What)
		}
	}
}

// pagesOf is what a step says of itself on its pages.
func pagesOf(t *testing.T, root, step string) string {
	t.Helper()
	var text string
	for _, name := range slices.Compact([]string{"README.md", figuresPage(root, step)}) {
		page, err := os.ReadFile(filepath.Join(root, step, name))
		if err != nil {
			t.Fatal(err)
		}
		text += string(page)
	}
	return text
}

// The pages of the steps say in words what the table says in figures.
func TestWordsAndFigures(t *testing.T) {
	t.Parallel()
	root, _, report := newest(t)
	if report.Protocol != Protocol {
		return
	}
	for _, row := range report.Rows {
		page := pagesOf(t, root, row.Step)
		for _, said := range row.Contradictions(page) {
			t.Errorf("%s: %s", row.Step, said)
		}
	}
}

// Whatever was killed or restarted in the newest figures met orders that waited.
func TestFaultsMetWaitingOrders(t *testing.T) {
	t.Parallel()
	_, path, report := newest(t)
	if report.Protocol != Protocol {
		return
	}
	for _, row := range report.Rows {
		for _, f := range row.Faults {
			if f.Waiting.Low < enough {
				t.Errorf("%s: %s: %s: %v orders waited, want %d", path, row.Step, f.Act, f.Waiting.Low, enough)
			}
		}
	}
}

// Of the pages as they are, those that promise something in words are read: a claim that is
// worded in another way than the test knows would be none.
func TestPagesMakeClaims(t *testing.T) {
	t.Parallel()
	root, _, report := newest(t)
	made := map[string]int{}
	for _, row := range report.Rows {
		page := pagesOf(t, root, row.Step)
		for _, c := range claims {
			if c.says.MatchString(c.where(page)) {
				made[row.Step]++
			}
		}
	}
	for _, row := range report.Rows {
		if made[row.Step] == 0 {
			t.Errorf("%s makes no claim that the table can be held to", row.Step)
		}
	}
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	page := func(promised, redundancy string) string {
		return "The promise: **" + promised + "** Checked.\n\n### Redundancy?\n\n" + redundancy + "\n"
	}
	killed := func(lost, twice float64) Row {
		return Row{Halves: []Half{{}}, Faults: []Fault{{Name: KillMiddle,
			Lost: worst([]float64{lost}), Duplicated: worst([]float64{twice})}}}
	}
	alone := Row{Single: map[string]string{"shop": "so it is"}}
	for _, c := range []struct {
		name, page string
		row        Row
		want       string
	}{
		{"none and 100 %", page("", "None. One process."), killed(0, 0), `says "None"`},
		{"none and none", page("", "None. One process."), alone, ""},
		{"as many as you like, and none", page("", "As many as you like."), alone, "does not say None"},
		{"one node, and nothing of it", page("", "The broker: this step runs one node."), killed(0, 0),
			"what has no second"},
		{"nothing lost, and 7 lost", page("through kill -9, no accepted\norder is lost", "Many."),
			killed(7, 0), "0 lost at every kill"},
		{"nothing lost", page("through kill -9, no accepted order is lost", "Many."), killed(0, 3), ""},
		{"nothing twice, and 3 twice", page("no order is lost, and none is done twice", "Many."),
			killed(0, 3), "nothing done twice"},
		{"lost is what was queued, and 0 lost", page("Through kill -9 lost is what was queued", "Many."),
			killed(0, 0), "orders lost at a kill"},
	} {
		got := strings.Join(c.row.Contradictions(c.page), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOddities(t *testing.T) {
	t.Parallel()
	row := func(step string, change func(*Row)) Row {
		r := Row{Step: step, Variant: "right", Latency: Latency{Answer50: figure([]float64{2}, 0)}}
		change(&r)
		return r
	}
	points := func(rates ...float64) Scale {
		var all []Point
		for i, v := range rates {
			n := 1 << i
			all = append(all, Point{n, figure([]float64{v}, 0), v / rates[0], v / rates[0] / float64(n)})
		}
		return Scale{Points: all}
	}
	idle := points(48, 98)
	idle.WorkMS = 20
	wide := points(50, 101)
	wide.Points[0].Rate = figure([]float64{49, 51}, 0)
	for _, c := range []struct {
		name   string
		row    Row
		column string
		what   string
		why    string
	}{
		{"ten times as slow", row("43-b", func(r *Row) { r.Latency.Answer50.Value = 20 }),
			"answer", "10 times as slow as 42-a", ""},
		{"explained", row("43-b", func(r *Row) {
			r.Latency.Answer50.Value = 20
			r.Odd = map[string]string{"answer": "it waits."}
		}), "answer", "10 times as slow as 42-a", "it waits."},
		{"nine times", row("43-b", func(r *Row) { r.Latency.Answer50.Value = 18 }), "", "", ""},
		{"too much", row("43-b", func(r *Row) { r.Scale = points(50, 100, 224) }),
			"consumers", "112 % of 4 times as much", ""},
		{"too much, within the spread", row("43-b", func(r *Row) { r.Scale = wide }),
			"consumers", "101 % of 2 times as much", "the runs differ by more than what is too much."},
		{"too much, for the one did too little", row("43-b", func(r *Row) { r.Scale = idle }),
			"consumers", "102 % of 2 times as much",
			"one consumer did 48 of the 50 orders a second that its worker can do."},
		{"far from all", row("43-b", func(r *Row) { r.Scale = points(50, 60, 70) }),
			"consumers", "4 do less than half of 4 times as much", ""},
		{"falling", row("43-b", func(r *Row) { r.Scale = points(50, 90, 80) }),
			"consumers", "4 consumers do less than 2", ""},
		{"slower with many waiting", row("43-b", func(r *Row) {
			r.Depths = []Depth{{Waiting: 0, Rate: figure([]float64{100}, 0)}}
		}), "waiting", "20 times as slow as 42-a", ""},
		{"falling as more wait", row("43-b", func(r *Row) {
			r.Depths = []Depth{
				{Waiting: 0, Rate: figure([]float64{2000}, 0)},
				{Waiting: 10_000, Rate: figure([]float64{900}, 0)},
			}
		}), "waiting", "less than half as many with 10,000 waiting as with 0", ""},
		{"slower in a silence", row("43-b", func(r *Row) {
			r.Faults = []Fault{{Name: KillMiddle, Recovery: figure([]float64{5}, 0)}}
		}), KillMiddle, "50 times as slow as 42-a", ""},
	} {
		r := &Report{}
		r.Put(row("42-a", func(r *Row) {
			r.Scale = points(50, 100)
			r.Faults = []Fault{{Name: KillMiddle, Recovery: figure([]float64{0.1}, 0)}}
			r.Depths = []Depth{{Waiting: 0, Rate: figure([]float64{2000}, 0)}}
		}))
		r.Put(c.row)
		all := r.Oddities()
		if c.what == "" {
			if len(all) > 0 {
				t.Errorf("%s: %+v", c.name, all)
			}
			continue
		}
		want := Oddity{"43-b", c.column, c.what, c.why}
		if len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, want %+v", c.name, all, want)
			continue
		}
		front := r.FrontPage()
		if !strings.Contains(front, " ¹ |") || !strings.Contains(front, "1. "+want.sentence()) {
			t.Errorf("%s: the sentence does not stand beside the figure:\n%s", c.name, front)
		}
		if !strings.Contains(r.Rows[1].Paragraph(r), want.sentence()) {
			t.Errorf("%s: the page of the step does not say it", c.name)
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	page := "before\n" + beginMark + "\nold\n" + endMark + "\nafter\n"
	got, err := Place(page, "new\n")
	if want := strings.ReplaceAll(page, "old", "new"); err != nil || got != want {
		t.Errorf("%v, %q, want %q", err, got, want)
	}
	for _, bad := range []string{"", beginMark + "\n", endMark + "\n"} {
		if _, err := Place(bad, "new"); !errors.Is(err, ErrNoPlace) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// aReport has a row of everything, one that loses orders, and an empty one.
func aReport() *Report {
	some := func(v float64) Figure { return figure([]float64{v, v * 1.1}, 0) }
	r := &Report{Generator: Generator{Rate: some(9000)}}
	row := Row{
		Step: "42-some", Variant: "right", Title: "a step",
		Latency: Latency{
			Answer50: some(1), Answer99: some(3), Processed50: some(22), Processed99: some(30),
			Answers: []Quantile{{0, 1}, {5, 1}, {50, 2}, {95, 3}, {99.9, 9}}, WorkMS: 20,
		},
		Sustained: Sustained{Rate: some(1850), Answer50: some(2)},
		Scale: Scale{Join: some(0.04), Points: []Point{
			{1, some(48), 1, 1}, {2, some(96), 2, 1}, {4, some(190), 3.9, 0.98},
			{8, some(370), 7.7, 0.96},
		}},
		Faults: []Fault{{
			Name: KillConsumer, Act: "kill consumer", Lost: some(0), Duplicated: some(3),
			Recovery: some(0.2), Strips: []*Strip{newStrip(aHistory()), newStrip(aHistory())},
		}},
		Halves: []Half{{
			Kind: "consumer", Seconds: 10, Answered: some(100), Processed: some(99.5),
			Waiting: some(70), Strip: newStrip(aHistory()),
		}},
		Depths: []Depth{{0, some(2000), some(3)}, {100_000, some(1500), some(5)}},
	}
	r.Put(row)
	row.Step, row.Variant = "43-<bad>", "wrong"
	row.Faults = []Fault{{Name: KillConsumer, Act: "kill consumer", Lost: some(7),
		Recovery: figure([]float64{-1}, 0)}}
	r.Put(row)
	r.Put(Row{Step: "44-nothing", Variant: "right", Problems: []string{"not measured: it did not start"}})
	return r
}

func TestTables(t *testing.T) {
	t.Parallel()
	r := aReport()
	table := r.Table()
	for _, want := range []string{
		"[42-some](42-some/README.md)", "×2.0 3.9 7.7 (96 %)", "0 lost, 3 twice, 210 ms",
		"**7 lost**, never", "100 % / 100 %",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if n := strings.Count(line, "|"); n != len(columns())+1 {
			t.Errorf("line %d has %d columns", i, n-1)
		}
	}
	for i, line := range strings.Split(r.Terminal(false), "\n") {
		if i < 12 && len([]rune(line)) > 140 {
			t.Errorf("line %d is %d wide", i, len([]rune(line)))
		}
	}
	if text := r.Terminal(false); !strings.Contains(text, "44-nothing: not measured: it did not") {
		t.Errorf("what was not measured is not said:\n%s", text)
	}
	if front := r.FrontPage(); !strings.Contains(front, "| orders waiting | 0 | 100,000 |") {
		t.Errorf("the front page does not say what a deep queue costs:\n%s", front)
	}
	if text := r.Rows[0].Paragraph(r); !strings.Contains(text, "100,000 waiting") {
		t.Errorf("the cost of a deep queue is not said:\n%s", text)
	}
}

// What was never killed is not drawn as safe.
func TestCostChart(t *testing.T) {
	t.Parallel()
	r := aReport()
	r.Rows[0].Faults = nil
	chart, err := r.CostChart()
	if err != nil || strings.Contains(chart, "42-some") || !strings.Contains(chart, "43-&lt;bad&gt;") {
		t.Errorf("%v\n%s", err, chart)
	}
}

// The page stands alone, shows every picture and trusts no name.
func TestPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := aReport().HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"What it costs to be safe", "prefers-color-scheme:dark", "data:image/svg", "(7 lost)",
		"43-&lt;bad&gt; wrong", "throughput with more consumers", "the rate with so many orders waiting",
		">100,000</text>", "kill consumer, run 2 of 2", "one of two: consumer",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"43-<bad>", "src=\"http", "href=\"http", "<script", "NaN", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// Every architecture that is scored stands in the newest figures, with all there is to
// measure.
func TestNewestIsComplete(t *testing.T) {
	t.Parallel()
	root, path, report := newest(t)
	missing, err := report.Missing(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 || report.Quick {
		t.Errorf("%s (quick: %v) lacks %s: go run ./score -json %s",
			path, report.Quick, strings.Join(missing, ", "), path)
	}
}

// newest is the root of the checkout and the newest figures that are kept in it.
func newest(t *testing.T) (root, path string, report *Report) {
	t.Helper()
	root = filepath.Join("..", "..", "..")
	path, err := Newest(filepath.Join(root, "score"))
	if err != nil {
		t.Fatal(err)
	}
	report, err = Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Explain(root); err != nil {
		t.Fatal(err)
	}
	return root, path, report
}
