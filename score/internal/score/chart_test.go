package score

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func charts(t *testing.T, r *Report) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, draw := range map[string]func() (string, error){
		"cost": r.CostChart, "throughput": r.ThroughputChart, "latency": r.LatencyChart,
		"depths": r.DepthCharts,
	} {
		picture, err := draw()
		if err != nil || picture == "" {
			t.Errorf("%s: %q, %v", name, picture, err)
		}
		all[name] = picture
	}
	return all
}

// A picture is read on a page that is 700 pixels wide, on a light screen and on a dark one: no
// letter is smaller than 12, and the dark screen has a colour of its own for every colour.
func TestChartsAreLegible(t *testing.T) {
	t.Parallel()
	size := regexp.MustCompile(`font-size:(\d+)px`)
	colours := regexp.MustCompile(`style="[^"]*?((?:fill|stroke):#[0-9A-F]{6})`)
	for name, picture := range charts(t, aReport()) {
		if !strings.Contains(picture, `viewBox="0 0 720 `) {
			t.Errorf("%s is not 720 wide", name)
		}
		for _, m := range size.FindAllStringSubmatch(picture, -1) {
			if n, err := strconv.Atoi(m[1]); err != nil || n < 12 {
				t.Errorf("%s has letters of %s", name, m[1])
			}
		}
		for _, m := range colours.FindAllStringSubmatch(picture, -1) {
			if m[1] == "fill:#000000" {
				t.Errorf("%s has a colour that is misspelt", name)
			}
			if !strings.Contains(picture, `[style*="`+m[1]+`"]{`) {
				t.Errorf("%s: a dark screen shows %s as it is", name, m[1])
			}
		}
	}
}

// What is safe and what is not differs by more than its colour.
func TestLossHasAShapeOfItsOwn(t *testing.T) {
	t.Parallel()
	shapes := map[string]string{}
	for _, lost := range []float64{0, 7} {
		r := aReport()
		r.Rows = r.Rows[:1]
		r.Rows[0].Faults[0].Lost = figure([]float64{lost}, 0)
		picture, err := r.CostChart()
		if err != nil {
			t.Fatal(err)
		}
		marks := regexp.MustCompile(`<path d="([^"]*)" style="fill:(#0072B2|#D55E00)"`).
			FindAllStringSubmatch(picture, -1)
		if len(marks) != 3 { // two of them are the legend
			t.Fatalf("%d marks, want 3", len(marks))
		}
		shapes[marks[0][2]] = regexp.MustCompile(`[0-9.,-]`).ReplaceAllString(marks[0][1], "")
	}
	if len(shapes) != 2 || shapes["#0072B2"] == shapes["#D55E00"] {
		t.Errorf("safe and unsafe look alike: %v", shapes)
	}
}

// Two architectures that cost the same are both named: their names do not overlap.
func TestNamesDoNotOverlap(t *testing.T) {
	t.Parallel()
	r := aReport()
	for _, name := range []string{"45-a", "46-b", "47-c"} {
		row := r.Rows[0]
		row.Step = name
		r.Put(row)
	}
	text := regexp.MustCompile(`<text x="([0-9.-]+)" y="([0-9.-]+)"[^>]*\s+style="[^"]*">(4\d-[^<]*)<`)
	for name, picture := range charts(t, r) {
		var at []box
		for _, m := range text.FindAllStringSubmatch(picture, -1) {
			x, y := pixel(t, m[1]), pixel(t, m[2])
			b := box{x, x + 6*float64(len(m[3])), y, y + 11}
			// Those of the depths are in two pictures.
			if name != "depths" && slices.ContainsFunc(at, b.meets) {
				t.Errorf("%s: %s stands over another name", name, m[3])
			}
			at = append(at, b)
		}
		if len(at) < 4 {
			t.Errorf("%s names %d rows", name, len(at))
		}
	}
}

// A name that would stand over the next point stands on the other side of its own.
func TestNameLeavesPointsFree(t *testing.T) {
	t.Parallel()
	r := aReport()
	r.Rows = r.Rows[:1]
	r.Rows[0].Sustained.Answer50.Value = 2
	next := r.Rows[0]
	next.Step, next.Sustained.Answer50.Value = "45-a", 2.4
	r.Put(next)
	picture, err := r.CostChart()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]float64{}
	for _, m := range regexp.MustCompile(`<text x="([0-9.-]+)"[^>]*\s+style="[^"]*">(\d\d-[a-z]+)`).
		FindAllStringSubmatch(picture, -1) {
		at[m[2]] = pixel(t, m[1])
	}
	if len(at) != 2 || at[next.Step]-at[r.Rows[0].Step] < 40 {
		t.Errorf("the names begin at %v: the first one stands over the second point", at)
	}
}

func pixel(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Both axes of the picture of costs are of the run without work: what is measured with work moves
// nothing in it.
func TestCostAxesAreOfOneRun(t *testing.T) {
	t.Parallel()
	r := aReport()
	before, err := r.CostChart()
	if err != nil {
		t.Fatal(err)
	}
	r.Rows[0].Latency.Answer50.Value *= 7
	after, err := r.CostChart()
	if err != nil || before != after {
		t.Errorf("the time to an answer with work moved something: %v", err)
	}
	r.Rows[0].Sustained.Answer50.Value *= 7
	if after, err = r.CostChart(); err != nil || before == after {
		t.Errorf("the time to an answer at half of the rate moved nothing: %v", err)
	}
}
