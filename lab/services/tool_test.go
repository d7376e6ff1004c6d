//go:build unix

package services

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestBrowserIsFound(t *testing.T) {
	named := filepath.Join(program(t, "my-chrome", "exit 0"), "my-chrome")
	t.Setenv("CHROME_PATH", named)
	c, _ := chain(t, Options{})
	if got, err := c.Tool(t.Context(), Browser); err != nil || got != named {
		t.Errorf("found %q, %v, want %q", got, err, named)
	}
}

// Where there is none it is installed, or the error says how a person does that.
func TestBrowserIsInstalled(t *testing.T) {
	cases := []struct {
		name, policy, script, wantErr string
	}{
		{"allowed", "yes", `printf '#!/bin/sh\n' >"$dir/my-chrome"; chmod +x "$dir/my-chrome"`, ""},
		{"forbidden", "no", "exit 0", "apt-get install -y --no-install-recommends chromium would install"},
		{"of no use", "yes", "exit 0", "there is still no Chromium"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			t.Setenv("LAB_INSTALL", tt.policy)
			t.Setenv("CHROME_PATH", "my-chrome")
			program(t, "sudo", `shift; exec "$@"`) // its one flag here is -n
			was := policyFile
			policyFile = filepath.Join(t.TempDir(), "policy")
			t.Cleanup(func() { policyFile = was })
			calls := fakeApt(t, policyFile, tt.script)
			c, _ := chain(t, Options{})
			path, err := c.Tool(t.Context(), Browser)
			switch {
			case tt.wantErr == "" && (err != nil || filepath.Base(path) != "my-chrome"):
				t.Errorf("found %q, %v", path, err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if installed := strings.Contains(calls(), "install chromium"); installed != (tt.policy == "yes") {
				t.Errorf("apt-get was told %q", calls())
			}
		})
	}
}
