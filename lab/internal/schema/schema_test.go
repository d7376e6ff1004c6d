package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"course.example/lab/internal/figure"
	"course.example/lab/internal/manifest"
)

func TestSchemaIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(File)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Error("lab.schema.json is not what the Go types say: go generate ./internal/schema in lab")
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("lab.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("lab.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// An editor must find nothing in what the lab reads, and must know where the schema is.
func TestSchemaAcceptsEveryManifest(t *testing.T) {
	t.Parallel()
	s := compile(t)
	found := 0
	for _, pattern := range []string{"../../../*", "../../../*/*", "../bench/testdata/*"} {
		paths, err := filepath.Glob(filepath.Join(pattern, manifest.FileName))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			found++
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, s, string(text)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			where := relative(t, filepath.Dir(path), File)
			first, _, _ := strings.Cut(string(text), "\n")
			want := "# yaml-language-server: $schema=" + filepath.ToSlash(where)
			if strings.TrimSpace(first) != want {
				t.Errorf("%s must begin with\n%s", path, want)
			}
		}
	}
	if found < 21 {
		t.Errorf("only %d manifests were found", found)
	}
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	from, err := filepath.Abs(from)
	if err == nil {
		to, err = filepath.Abs(to)
	}
	if err == nil {
		to, err = filepath.Rel(from, to)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// What the lab refuses by its form is marked while it is typed.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	const good = `title: A step
processes: [{name: shop, http: true}]
gauges: {depth: orders}
experiments:
  - name: calm
    load: {rate: 5, for: 2s}
    faults: {at 1s: kill shop, every 2s..3s: [kill shop, start shop]}
    promises:
      lost: "> 0 and <= in-flight"
      answer p99: <= 250ms
      highest depth: <= 64
      processed by shop: [1, "> 0"]
      recovers: within 3s
`
	s := compile(t)
	if err := validate(t, s, good); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ old, new string }{
		{"title: A step\n", ""}, {"load:", "laod:"}, {"rate: 5", "rate: fast"},
		{"for: 2s", "for: 2"}, {"at 1s:", "after 1s:"}, {"lost:", "losst:"},
		{"> 0 and <=", "=> 0 and <="}, {"<= 250ms", "<= 250"}, {"<= 64", "few"},
		{"within 3s", "soon"}, {"[1, ", "[-1, "}, {"{name: shop,", "{nmae: shop,"},
		{"http: true", `http: "yes"`}, {"answer p99", "answer"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%q is not in the manifest", c.old)
		}
		if err := validate(t, s, text); err == nil {
			t.Errorf("%s was accepted in place of %s", c.new, c.old)
		}
	}
}

// Every figure and every field says what it is: an editor shows it.
func TestSchemaExplains(t *testing.T) {
	t.Parallel()
	text, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figure.Table {
		about, err := json.Marshal(f.About)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, about) {
			t.Errorf("%s is not explained", f.Name)
		}
	}
	for _, want := range []string{"how many at the start", "Settle is how long nothing may happen"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the schema does not say: %s", want)
		}
	}
}
