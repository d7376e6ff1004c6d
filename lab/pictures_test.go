package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	boxWidth = regexp.MustCompile(`<svg[^>]*viewBox="0 0 ([0-9.]+) `)
	fontSize = regexp.MustCompile(`font-size[:=]"?([0-9.]+)`)
)

// A page shows a picture 700 pixels wide, by day and by night. What is written in it must be
// legible then. A picture that fails here was drawn by an older version of the lab: draw it
// again, by the command that its page gives.
func TestPicturesAreLegible(t *testing.T) {
	t.Parallel()
	const shown, least = 700.0, 9.0 // pixels
	var pictures []string
	for _, pattern := range []string{"*/*.svg", "*/*/*.svg"} {
		found, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, found...)
	}
	if len(pictures) == 0 {
		t.Fatal("there is no picture: this test looks in the wrong place")
	}
	for _, path := range pictures {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		width := boxWidth.FindSubmatch(text)
		if width == nil {
			t.Errorf("%s does not say how wide it is", path)
			continue
		}
		scale := shown / number(t, width[1])
		for _, size := range fontSize.FindAllSubmatch(text, -1) {
			if got := number(t, size[1]) * scale; got < least {
				t.Errorf("%s: text of %.1f px at %.0f px, want at least %.0f",
					path, got, shown, least)
				break
			}
		}
		if !strings.Contains(string(text), "prefers-color-scheme") {
			t.Errorf("%s has no colours for the night", path)
		}
	}
}

func number(t *testing.T, text []byte) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
