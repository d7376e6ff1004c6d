package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"course.example/12-actors/engine"
)

func TestContext(t *testing.T) {
	for variant, want := range map[string][2]string{
		"right":         {"Vault/1 is open", "Vault/2 is closed for guest"},
		"not-forwarded": {"Vault/1 is closed for nobody", "Vault/2 is closed for nobody"},
		"variable":      {"Vault/1 is open", "Vault/2 is open"},
	} {
		t.Run(variant, func(t *testing.T) {
			out := shown(t, "context", variant)
			for _, line := range want {
				if !strings.Contains(out, ": "+line+"\n") {
					t.Errorf("did not print %q:\n%s", line, out)
				}
			}
		})
	}
}

// Many users at once, of whom some share a report and some do not: each gets the
// answer of their own role.
func TestRolesDoNotMix(t *testing.T) {
	silo := engine.StartSilo(vaultKinds(Forward)...)
	defer engine.Stop(silo)
	want := map[string]string{
		"admin": "is open", "guest": "is closed for guest", "": "is closed for nobody",
	}
	var all sync.WaitGroup
	for i := range 60 {
		for role, text := range want {
			all.Go(func() {
				id := fmt.Sprint(i % 5)
				if got := read(silo, role, id); got != "Vault/"+id+" "+text {
					t.Errorf("%q got %q", role, got)
				}
			})
		}
	}
	all.Wait()
	// A call that nobody has put a role on, as a web app that forgot.
	_, err := GetReportGrainClient(silo, "1").Read(&Nothing{}, engine.Within(timeout))
	if got := engine.Reason(err); got != "Vault/1 is closed for nobody" {
		t.Errorf("without a role: %q", got)
	}
}
