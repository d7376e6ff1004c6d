package pagetest

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark/ast"
	tables "github.com/yuin/goldmark/extension/ast"
)

const glossary = "GLOSSARY.md"

// A reader who looks a word up finds it explained, and finds it again on the page that it leads to.
func TestGlossary(t *testing.T) {
	t.Parallel()
	pages := map[string]document{}
	for _, p := range readPages(t) {
		pages[p.name] = p
	}
	g := pages[glossary]
	var terms []string
	g.walk(t, func(n ast.Node) {
		if _, ok := n.(*tables.TableRow); !ok {
			return
		}
		term := strings.ToLower(g.plain(n.FirstChild()))
		terms = append(terms, term)
		link := ""
		if l, ok := n.LastChild().FirstChild().(*ast.Link); ok {
			link = string(l.Destination)
		}
		page, ok := pages[link]
		switch {
		case !ok:
			t.Errorf("%s: %q is said to be shown in %q, and there is no such page", g.at(n), term, link)
		case !strings.Contains(strings.ToLower(string(page.text)), term):
			t.Errorf("%s: %s does not mention %q", g.at(n), link, term)
		case g.plain(n.FirstChild().NextSibling()) == "":
			t.Errorf("%s: %q is not explained", g.at(n), term)
		}
	})
	if len(terms) == 0 || !slices.IsSorted(terms) || len(slices.Compact(slices.Clone(terms))) < len(terms) {
		t.Errorf("the glossary must have every term once, by the alphabet: %q", terms)
	}
}

// The front page and the page of every step that has the lecture's code lead to the glossary.
func TestPagesLeadToGlossary(t *testing.T) {
	t.Parallel()
	root := repository(t)
	for _, p := range readPages(t) {
		dir := path.Dir(p.name)
		_, err := os.Stat(filepath.Join(root, dir, "slide"))
		if path.Base(p.name) != "README.md" || err != nil && dir != "." {
			continue
		}
		to := path.Join(strings.Repeat("../", strings.Count(p.name, "/")), glossary)
		if !slices.Contains(p.links(t), to) {
			t.Errorf("%s has no link to %s", p.name, to)
		}
	}
}
