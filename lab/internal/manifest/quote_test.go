package manifest

import "testing"

// Only bounds are quoted, and only where conditions stand.
func TestQuoteBounds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"promises:\n  lost: > 0\nabout: > 0":      "promises:\n  lost: \"> 0\"\nabout: > 0",
		"- promises:\n    lost: >= 5 # of ten\n":  "- promises:\n    lost: \">= 5\" # of ten\n",
		"shows: {a: > 0, b: >5}":                  "shows: {a: \"> 0\", b: \">5\"}",
		"shows:\n  {a: > 0,\n   b: [> 5, < 9]}\n": "shows:\n  {a: \"> 0\",\n   b: [\"> 5\", < 9]}\n",
		"shows:\n  a:\n    - > 5\n":               "shows:\n  a:\n    - \"> 5\"\n",
		"shows:\n  a: > 5\r\n":                    "shows:\n  a: \"> 5\"\r\n",
		"shows:\n  prints: >\n    folded\n":       "shows:\n  prints: >\n    folded\n",
		"shows:\n  prints: >-\n    folded\n":      "shows:\n  prints: >-\n    folded\n",
		"shows:\n  prints: \"a: > 5\"\n":          "shows:\n  prints: \"a: > 5\"\n",
		"shows:\n  prints: 'a, > 5'\n":            "shows:\n  prints: 'a, > 5'\n",
		"shows:\n  prints: it's a > b\n  a: > 5":  "shows:\n  prints: it's a > b\n  a: \"> 5\"",
		"shows:\n  # a: > 5\n":                    "shows:\n  # a: > 5\n",
		"shows: {prints: \"\\\": > 5\"}":          "shows: {prints: \"\\\": > 5\"}",
		"shows:\n\n# x\n  a: > 5\nenv: > 5":       "shows:\n\n# x\n  a: \"> 5\"\nenv: > 5",
		"about: no shows: > 5":                    "about: no shows: > 5",
	} {
		if got := string(quoteBounds([]byte(text))); got != want {
			t.Errorf("%q became\n%q, want\n%q", text, got, want)
		}
	}
}
