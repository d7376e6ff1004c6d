package draw

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"course.example/lab/internal/history"
)

// word is a text of a picture, and about where it stands.
type word struct {
	X     float64 `xml:"x,attr"`
	Y     float64 `xml:"y,attr"`
	Class string  `xml:"class,attr"`
	Text  string  `xml:",chardata"`
}

func words(t interface{ Fatal(...any) }, svg string) (all []word) {
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
			var w word
			if err := d.DecodeElement(&w, &e); err != nil {
				t.Fatal(err)
			}
			all = append(all, w)
		}
	}
}

// box is the room that a text takes, in a font of usual width.
func (w word) box() (x0, y0, x1, y1 float64) {
	has := func(class string) bool { return slices.Contains(strings.Fields(w.Class), class) }
	size := 14.0
	if has("title") {
		size = 18
	}
	wide := 0.52 * size * float64(utf8.RuneCountInString(w.Text))
	x := w.X
	if has("name") {
		x -= wide
	}
	if has("tick") {
		x -= wide / 2
	}
	return x, w.Y - 0.8*size, x + wide, w.Y + 0.2*size
}

// No two texts are printed over each other, and all are within the picture: faults that
// come close together have had their names in one another.
func TestNoTextIsOverprinted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := aHistory(t)
		n := rapid.IntRange(0, 30).Draw(t, "faults")
		h.Marks = nil
		for i := range n {
			h.Marks = append(h.Marks, history.Mark{
				Time: at(rapid.IntRange(0, 2000).Draw(t, "fault")), Fault: i%2 == 0,
				Act: rapid.SampledFrom([]string{"kill consumer-1", "pause redis-2",
					"scale consumer-v2 +1"}).Draw(t, "act"),
			})
		}
		var b strings.Builder
		h.Lives = append(h.Lives, history.Life{
			Process: strings.Repeat("long", rapid.IntRange(0, 20).Draw(t, "name")),
		})
		title := "12-actors: " + strings.Repeat("a silo dies and is missed ",
			rapid.IntRange(0, 8).Draw(t, "title"))
		if err := Run(&b, h, title, []string{strings.Repeat("caption ", 20)}); err != nil {
			t.Fatal(err)
		}
		all := words(t, b.String())
		height := 0.0
		if _, err := fmt.Sscanf(after(b.String(), `viewBox="0 0 800 `), "%f", &height); err != nil {
			t.Fatal(err)
		}
		for i, w := range all {
			x0, y0, x1, y1 := w.box()
			if x0 < 0 || y0 < 0 || x1 > width || y1 > height {
				t.Fatalf("%q leaves the picture", w.Text)
			}
			for _, v := range all[:i] {
				u0, v0, u1, v1 := v.box()
				if x0 < u1 && u0 < x1 && y0 < v1 && v0 < y1 && w.Text != "" && v.Text != "" {
					t.Fatalf("%q (%q) is printed over %q (%q)", w.Text, w.Class, v.Text, v.Class)
				}
			}
		}
	})
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}

// Who differs in the last character of a name differs in the picture, too.
func TestNamesStayDifferent(t *testing.T) {
	t.Parallel()
	h := aRun()
	for _, name := range []string{"orchestrator", strings.Repeat("very-long-", 9)} {
		for i := range 2 {
			h.Lives = append(h.Lives, history.Life{
				Process: fmt.Sprintf("%s-%d", name, i+1), From: at(0), To: at(3000)})
		}
	}
	seen := map[string]bool{}
	for _, w := range words(t, draw(t, h)) {
		if w.Class == "name" && seen[w.Text] {
			t.Errorf("two are called %s", w.Text)
		}
		seen[w.Text] = true
	}
	if !seen["orchestrator-2"] {
		t.Errorf("there was room for orchestrator-2: %v", seen)
	}
}

// Where there is no room for a name, the picture says so.
func TestNamesThatDoNotFit(t *testing.T) {
	t.Parallel()
	h := aRun()
	for i := range 40 {
		h.Marks = append(h.Marks, history.Mark{Time: at(500 + i), Act: "kill consumer-1"})
	}
	svg := draw(t, h)
	named := strings.Count(svg, "kill consumer-1</text>")
	const say = "upright lines without a name, for want of room: %d<"
	if named < maxRows || !strings.Contains(svg, fmt.Sprintf(say, 41-named)) {
		t.Errorf("%d of 41 names are written, and it does not say of how many that is not so", named)
	}
	if strings.Contains(draw(t, aRun()), "for want of room") {
		t.Error("there was room")
	}
}

// A text at the width of a page (700 of the picture's 800 units) is no smaller than
// eleven pixels.
func TestTextIsLegible(t *testing.T) {
	t.Parallel()
	for _, part := range strings.Split(styles, "font-size:")[1:] {
		size := 0.0
		if _, err := fmt.Sscanf(strings.ReplaceAll(part, "p", " "), "%f", &size); err != nil || size*700/width < 11 {
			t.Errorf("a text of %v units, %v", size, err)
		}
	}
}
