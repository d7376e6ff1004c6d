package pagetest

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

var update = flag.Bool("update", false, "record anew what a test compares: pictures, diagrams")

// markdown reads as GitHub does.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

// document is a Markdown file, or a hint of an exercise.
type document struct {
	name string // from the root of the repository
	text []byte
	root ast.Node
}

func newDocument(name string, source []byte) document {
	return document{name, source, markdown.Parser().Parse(text.NewReader(source))}
}

// repository is the root of the repository.
func repository(t *testing.T) string {
	t.Helper()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// readPages reads all Markdown files of the repository.
func readPages(t *testing.T) []document {
	t.Helper()
	root := repository(t)
	var pages []document
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", ".lab", "node_modules"}, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		pages = append(pages, newDocument(filepath.ToSlash(name), source))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// walk visits every node of the page once.
func (p document) walk(t *testing.T, visit func(ast.Node)) {
	t.Helper()
	err := ast.Walk(p.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			visit(n)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// at is the place of a node: README.md:12.
func (p document) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", p.name, 1+bytes.Count(p.text[:start(n)], []byte("\n")))
}

// start is where the first text in a node begins.
func start(n ast.Node) int {
	if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
		return n.Lines().At(0).Start
	}
	switch n := n.(type) {
	case *ast.Text:
		return n.Segment.Start
	case *ast.RawHTML:
		return n.Segments.At(0).Start
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if s := start(c); s > 0 {
			return s
		}
	}
	return 0
}

// Every page looks as it was meant.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	for _, p := range readPages(t) {
		for _, wrong := range p.faults(t) {
			t.Error(wrong)
		}
	}
}

// What Markdown cannot read it shows as it stands, or not at all.
func TestMarkdownIsStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ page, want string }{
		"right":        {"# T\n\n| a | b |\n|---|---|\n| `x\\|y` | |\n\n```go\nx\n```\n", ""},
		"short row":    {"| a | b |\n|---|---|\n| 1 | 2 |\n| 1 |\n", "cells"},
		"long row":     {"| a | b |\n|---|---|\n| 1 | 2 | 3 |\n", "cells"},
		"pipe in code": {"| a | b |\n|---|---|\n| `x|y` | 2 |\n", "cells"},
		"short rule":   {"| a | b |\n|---|\n| 1 | 2 |\n", "table"},
		"open fence":   {"text\n\n```go\nx\n\nmore\n", "fence"},
		"inner fence":  {"```sh\nx\n```go\ny\n```\n", "fence"},
		"in a list":    {"- item\n\n  ```go\n  x\n\nmore\n", "fence"},
		"open code":    {"say `x and\n", "code"},
		"open bold":    {"say **x and\n", "emphasis"},
		"open italics": {"say *x and\n", "emphasis"},
		"broken link":  {"see [this] (x) and [that](x y)\n", "link"},
		"no reference": {"see [this][that]\n", "link"},
		"lost tag":     {"call it with <name> now\n", "tag"},
		"in HTML":      {"<details><summary>Hint</summary>\nUse `x`.\n</details>\n", "HTML"},
	} {
		wrong := strings.Join(newDocument(name, []byte(c.page)).faults(t), "\n")
		if (c.want == "") != (wrong == "") || !strings.Contains(wrong, c.want) {
			t.Errorf("%s: found %q, want %q", name, wrong, c.want)
		}
	}
}

// A hint is printed in a terminal, where nothing is rendered: `code` is read, the rest is not.
func TestHints(t *testing.T) {
	t.Parallel()
	root := repository(t)
	steps, err := manifest.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range steps {
		step, err := manifest.Read(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		exercises, err := step.Exercises()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range exercises {
			for i, hint := range e.Hints {
				p := newDocument(fmt.Sprintf("hint %d of %s", i+1, e.Number), []byte(hint))
				for _, wrong := range p.faults(t) {
					t.Error(wrong)
				}
				p.walk(t, func(n ast.Node) {
					switch n.(type) {
					case *ast.Link, *ast.Image, *ast.Emphasis, *ast.Heading, *ast.FencedCodeBlock, *tables.Table:
						t.Errorf("%s: a terminal does not show a %s", p.name, n.Kind())
					}
				})
			}
		}
	}
}

// faults are what does not look as it was meant.
func (p document) faults(t *testing.T) []string {
	t.Helper()
	var found []string
	p.walk(t, func(n ast.Node) {
		var wrong string
		switch n := n.(type) {
		case *tables.TableHeader, *tables.TableRow:
			wrong = p.row(n)
		case *ast.FencedCodeBlock:
			wrong = p.fence(n)
		case *ast.HTMLBlock:
			html := n.Lines().Value(p.text)
			if wrong = tag(html); wrong == "" && rawInHTML.Match(anyTag.ReplaceAll(html, nil)) {
				wrong = "within HTML Markdown is not rendered: leave a blank line before it"
			}
		case *ast.RawHTML:
			wrong = tag(n.Segments.Value(p.text))
		case *ast.Paragraph, *ast.TextBlock, *ast.Heading, *tables.TableCell:
			wrong = raw(p.plain(n))
		}
		if wrong != "" {
			found = append(found, p.at(n)+": "+wrong)
		}
	})
	return found
}

// row says whether a row has another number of cells than its table: what is missing is shown empty,
// what is too much not at all.
func (p document) row(n ast.Node) string {
	i := start(n)
	from := bytes.LastIndexByte(p.text[:i], '\n') + 1
	line, _, _ := strings.Cut(string(p.text[from:]), "\n")
	line = strings.ReplaceAll(strings.Trim(line, "> \t\r"), `\|`, "")
	cells := 1 + strings.Count(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
	if want := len(n.Parent().(*tables.Table).Alignments); cells != want {
		return fmt.Sprintf("a row of %d cells in a table of %d; a | in a cell is written \\|", cells, want)
	}
	return ""
}

// fence says whether a block of code is not closed where it was meant.
func (p document) fence(n *ast.FencedCodeBlock) string {
	lines := n.Lines()
	if lines.Len() == 0 {
		return "a fence with no code"
	}
	for _, s := range lines.Sliced(0, lines.Len()) {
		if bytes.HasPrefix(bytes.TrimSpace(s.Value(p.text)), []byte("```")) {
			return "a fence in a block of code: is the one before it closed?"
		}
	}
	next, _, _ := bytes.Cut(p.text[lines.At(lines.Len()-1).Stop:], []byte("\n"))
	next = bytes.TrimLeft(next, "> \t")
	if !bytes.HasPrefix(next, []byte("```")) && !bytes.HasPrefix(next, []byte("~~~")) {
		return "the fence of this code is never closed"
	}
	return ""
}

// What HTML the pages use; GitHub does not show other tags, and <name> in a sentence is one.
var (
	anyTag  = regexp.MustCompile(`(?s)<!--.*?-->|</?[a-zA-Z][^>]*>`)
	goodTag = regexp.MustCompile(`(?s)^(<!--|</?(a|b|br|code|details|div|em|h[1-6]|i|img|kbd|p|picture|pre` +
		`|source|strong|sub|summary|sup|svg|table|tbody|td|th|thead|tr)[ />\n])`)
	rawInHTML = regexp.MustCompile("`|\\*\\*|\\]\\(")
)

func tag(html []byte) string {
	for _, tag := range anyTag.FindAll(html, -1) {
		if !goodTag.Match(tag) {
			return fmt.Sprintf("%s is taken for a tag and not shown: write it as code", tag)
		}
	}
	return ""
}

// plain is the text of a block without its code, as Markdown has understood it.
func (p document) plain(block ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.CodeSpan:
			b.WriteString("code")
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(p.text))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte('\n')
				}
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// Markup that is still there after Markdown has read the text, and what it was to be.
var leftovers = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`(?m)^\s*\|?\s*:?-{2,}:?\s*\|`), "a table with another number of columns " +
		"in its head, or with no blank line before it"},
	{regexp.MustCompile("(^|[^\\\\])`"), "code that is not closed"},
	{regexp.MustCompile(`(^|[^\\])\*\*|(^|[\s(])\*\w`), "emphasis that is not closed"},
	{regexp.MustCompile(`\]\(|\]\[`), "a link"},
	{regexp.MustCompile(`(?m)^#{1,6}[^\s#\d]`), "a heading"},
}

func raw(plain string) string {
	for _, l := range leftovers {
		if l.pattern.MatchString(plain) {
			return fmt.Sprintf("this is shown as it stands, and was to be %s: %q", l.what, plain)
		}
	}
	return ""
}

// Every link to a file of the repository, or to a heading, leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := repository(t)
	pages := readPages(t)
	anchors := map[string][]string{}
	for _, p := range pages {
		anchors[p.name] = p.anchors(t)
	}
	for _, p := range pages {
		for _, link := range p.links(t) {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %v", p.name, err)
				continue
			}
			if u.IsAbs() {
				continue
			}
			target := p.name
			if u.Path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(p.name), u.Path))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s leads nowhere", p.name, link)
			} else if u.Fragment != "" && strings.HasSuffix(target, ".md") &&
				!slices.Contains(anchors[target], u.Fragment) {
				t.Errorf("%s: %s: %s has no such heading", p.name, link, target)
			}
		}
	}
}

// links are the addresses that the page links to.
func (p document) links(t *testing.T) []string {
	t.Helper()
	var all []string
	p.walk(t, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.Link:
			all = append(all, string(n.Destination))
		case *ast.Image:
			all = append(all, string(n.Destination))
		case *ast.HTMLBlock:
			all = append(all, linksInHTML(n.Lines().Value(p.text))...)
		case *ast.RawHTML:
			all = append(all, linksInHTML(n.Segments.Value(p.text))...)
		}
	})
	return all
}

var linkInHTML = regexp.MustCompile(`(?:href|src|srcset)="([^"]+)"`)

func linksInHTML(html []byte) (all []string) {
	for _, m := range linkInHTML.FindAllSubmatch(html, -1) {
		all = append(all, string(m[1]))
	}
	return all
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// anchors are the names that GitHub gives to the headings of a page.
func (p document) anchors(t *testing.T) []string {
	t.Helper()
	var all []string
	seen := map[string]int{}
	p.walk(t, func(n ast.Node) {
		h, ok := n.(*ast.Heading)
		if !ok {
			return
		}
		var b strings.Builder
		_ = ast.Walk(h, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if s, ok := n.(*ast.Text); ok && entering {
				b.Write(s.Segment.Value(p.text))
			}
			return ast.WalkContinue, nil
		})
		name := strings.ToLower(notInAnchor.ReplaceAllString(b.String(), ""))
		name = strings.ReplaceAll(name, " ", "-")
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name]-1)
		}
		all = append(all, name)
	})
	return all
}
