package deployment

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What MAINTAIN.md tells to look for is what the programs log: a line that was reworded would be
// looked for in vain.
func TestMaintainNamesLinesThatAreLogged(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("MAINTAIN.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	err = filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| [0-9, ]+ \|.*$`).FindAllString(string(page), -1)
	lines := 0
	for _, row := range rows {
		for _, m := range regexp.MustCompile("`([a-z][^`]*)`").FindAllStringSubmatch(row, -1) {
			lines++
			if !strings.Contains(code.String(), `"`+m[1]+`"`) {
				t.Errorf("no program logs %q", m[1])
			}
		}
	}
	if lines < 10 {
		t.Errorf("%d lines were found on the page", lines)
	}
}
