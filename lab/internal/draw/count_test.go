package draw

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// figures are what the marks of a history must add up to.
func figures(h history.Run) map[string]int {
	var l ledger.Ledger
	for _, e := range h.Events {
		l.Add(e)
	}
	s := l.Summary()
	return map[string]int{
		"accepted": s.Accepted, "processed": s.Processed, "failed": s.Failed, "lost": s.Open,
		"duplicated": s.Duplicated, "ghosts": s.Ghosts, "contradictions": s.Contradictions,
		"reused": s.Reused, "received": s.Deliveries, "refused": len(h.Refused),
	}
}

// told are the numbers below a picture.
func told(svg string) map[string]int {
	numbers := map[string]int{}
	for _, c := range classes {
		number := regexp.MustCompile(`>` + c.name + ` (\d+)</text>`).FindStringSubmatch(svg)
		if number != nil {
			n, err := strconv.Atoi(number[1])
			if err != nil {
				panic(err)
			}
			numbers[c.name] = n
		}
	}
	return numbers
}

func withoutZeros(m map[string]int) map[string]int {
	maps.DeleteFunc(m, func(_ string, n int) bool { return n == 0 })
	return m
}

// A picture that shows less than was counted, or more, would be believed all the same.
func TestMarksAreTheFigures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := aHistory(t)
		var b bytes.Buffer
		if err := Run(&b, h, "any", nil); err != nil {
			t.Fatal(err)
		}
		marks, err := Marks(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if want := withoutZeros(figures(h)); !maps.Equal(marks, want) {
			t.Fatalf("the marks are %v, the figures %v", marks, want)
		}
		if told := withoutZeros(told(b.String())); !maps.Equal(told, marks) {
			t.Fatalf("the marks are %v, and it says %v", marks, told)
		}
	})
}

// aHistory is any history: of few orders and few moments, so that much falls together.
func aHistory(t *rapid.T) history.Run {
	pick := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	h := history.Run{Started: start, Lives: aRun().Lives, Marks: aRun().Marks}
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		h.Events = append(h.Events, ledger.Event{
			Time: at(rapid.IntRange(0, 40).Draw(t, "ms") * 50),
			Kind: ledger.Kind(pick("kind", "accepted", "received", "processed", "failed",
				"skipped", "danced")),
			Order:   pick("order", "a", "b", "c", "d"),
			Effect:  pick("effect", "", "7", "8"),
			Process: pick("process", "producer", "consumer-1", ledger.Customer, "unseen", ""),
		})
	}
	for range rapid.IntRange(0, 5).Draw(t, "refusals") {
		h.Refused = append(h.Refused, at(rapid.IntRange(0, 3).Draw(t, "refused")*700))
	}
	return h
}

// Six effects on one pixel are one stroke, which says that it stands for six.
func TestMarksOnOnePlaceAreOneStroke(t *testing.T) {
	t.Parallel()
	h := aRun()
	for range 6 {
		h.Events = append(h.Events, ledger.Event{
			Time: at(1700), Kind: ledger.Processed, Order: "a", Process: "consumer-1",
		})
	}
	svg := draw(t, h)
	for _, want := range []string{
		`class="duplicated" data-orders="6" style="stroke-width`, ">×6</text>",
		">duplicated 7</text>",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %s", want)
		}
	}
}

// A second report of an effect is no mark: step 06 had six, under a caption that said 0.
func TestReportOfAnEffectIsNoDuplicate(t *testing.T) {
	t.Parallel()
	h := history.Run{Started: start, Events: []ledger.Event{
		{Time: at(0), Kind: ledger.Accepted, Order: "a", Process: "producer"},
		{Time: at(100), Kind: ledger.Processed, Order: "a", Effect: "7", Process: "consumer-1"},
		{Time: at(200), Kind: ledger.Processed, Order: "a", Effect: "7", Process: "consumer-2"},
	}}
	marks, err := Marks([]byte(draw(t, h)))
	if want := map[string]int{"accepted": 1, "processed": 1}; err != nil || !maps.Equal(marks, want) {
		t.Errorf("the marks are %v, %v; want %v", marks, err, want)
	}
}

// What was accepted and is not done is drawn as deep as it was, and of another colour
// what never will be done.
func TestNotYetDone(t *testing.T) {
	t.Parallel()
	h := history.Run{Started: start}
	event := func(ms int, kind ledger.Kind, order int, process string) {
		h.Events = append(h.Events, ledger.Event{
			Time: at(ms), Kind: kind, Order: fmt.Sprint(order), Process: process})
	}
	for i := range 5 { // two of which are lost
		event(100*i, ledger.Accepted, i, "shop")
		event(100*i+5, ledger.Accepted, i, ledger.Customer)
	}
	event(600, ledger.Processed, 0, "shop")
	event(700, ledger.Processed, 1, "shop")
	event(800, ledger.Failed, 2, "shop")
	event(850, ledger.Failed, 2, "shop")
	svg := draw(t, h)
	for _, want := range []string{">at most 5<", ">2 of them lost<", `class="gone"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %s:\n%s", want, svg)
		}
	}
	p := newPicture(h)
	if places, depths, _ := p.depths(); depths[places[len(places)-1]] != (depth{2, 2}) {
		t.Errorf("in the end two lost ones are open, and not %v", depths[places[len(places)-1]])
	}
	if svg := draw(t, aRunWithoutLoss()); strings.Contains(svg, `class="gone"`) {
		t.Error("nothing was lost, and something is drawn as if")
	}
}

func aRunWithoutLoss() history.Run {
	h := aRun()
	h.Events = append(h.Events, ledger.Event{
		Time: at(2000), Kind: ledger.Processed, Order: "lost", Process: "consumer-1",
	})
	return h
}

func TestFaultsAndLivesAreDrawn(t *testing.T) {
	t.Parallel()
	svg := draw(t, aRun())
	for class, want := range map[string]int{"fault": 1, "mend": 1, "life": 3} {
		if got := strings.Count(svg, `<path class="`+class+`"`); got != want {
			t.Errorf("%d of %s are drawn, want %d", got, class, want)
		}
	}
}

// The pictures of the pages say how many marks they have, and have as many.
func TestPicturesOfThePages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "*", "*.svg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures: %v", err)
	}
	checked := 0
	for _, file := range files {
		svg, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		marks, err := Marks(svg)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if len(marks) == 0 {
			continue // no run: a chart
		}
		checked++
		if said := withoutZeros(told(string(svg))); !maps.Equal(said, marks) {
			t.Errorf("%s says %v and shows %v", file, said, marks)
		}
	}
	if checked == 0 {
		t.Error("no picture of a run was checked")
	}
}
