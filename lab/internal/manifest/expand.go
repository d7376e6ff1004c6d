package manifest

import (
	"fmt"
	"strings"
	"text/template"
)

// Places is what the values of an env: may ask for, between {{ and }}. It lets
// one kind of process find another without a line of code on either side.
type Places struct {
	// URLs are the addresses of all places of a kind, those first that are taken
	// first: {{urls "payment"}} joins them with commas, {{url "gateway"}} is
	// the first of them.
	URLs func(kind string) ([]string, error)
	// Dir is a folder that the processes of this run share: {{dir "books"}}.
	Dir func(name string) (string, error)
}

// Expand fills in the value of one variable of an env:.
func Expand(text string, places Places) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	parsed, err := template.New("env").Funcs(template.FuncMap{
		"urls": func(kind string) (string, error) {
			urls, err := places.URLs(kind)
			return strings.Join(urls, ","), err
		},
		"url": func(kind string) (string, error) {
			urls, err := places.URLs(kind)
			if err != nil || len(urls) == 0 {
				return "", err
			}
			return urls[0], nil
		},
		"dir": places.Dir,
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, nil); err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	return out.String(), nil
}

// Places is how many addresses a kind has: enough for its count, and for what is
// started later.
func (p Process) Places() int { return max(p.Count, p.UpTo) }
