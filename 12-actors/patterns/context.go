package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// roleHeader is the header of a message that says in which role its sender acts.
const roleHeader = "user-role"

// Nobody is the role of a call that came without one. It may do nothing: a context that got lost
// on its way must close doors, not open them.
const Nobody = "nobody"

// As makes a call in a role. It is for the edge, where somebody has proved who they are.
func As(silo *cluster.Cluster, role string) cluster.GrainCallOption {
	return withHeader(silo, roleHeader, role)
}

// RoleOf is the role of the call in progress: it belongs to the message, not to the grain, and the
// next message has another.
func RoleOf(ctx cluster.GrainContext) string {
	return cmp.Or(ctx.MessageHeader().Get(roleHeader), Nobody)
}

// Forward makes a call for whoever called this grain: what came with the call goes on with the next.
func Forward(ctx cluster.GrainContext) cluster.GrainCallOption {
	return As(ctx.Cluster(), RoleOf(ctx))
}

// ReportGrain reads a vault for whoever asks it to.
type ReportGrain struct {
	engine.Hooks
	forward func(cluster.GrainContext) cluster.GrainCallOption // the variants differ here
}

// Read does not mention roles, and is none of their business.
func (g *ReportGrain) Read(_ *Nothing, ctx cluster.GrainContext) (*Told, error) {
	return GetVaultGrainClient(ctx.Cluster(), ctx.Identity()).Open(
		&Nothing{}, engine.Within(timeout), g.forward(ctx))
}

// VaultGrain decides by the role of the call in progress.
type VaultGrain struct{ engine.Hooks }

// Open opens for an admin.
func (*VaultGrain) Open(_ *Nothing, ctx cluster.GrainContext) (*Told, error) {
	if role := RoleOf(ctx); role != "admin" {
		return nil, cluster.NewGrainErrorResponsef(cluster.ErrorReason_PERMISSION_DENIED,
			"%s is closed for %s", nameOf(ctx), role)
	}
	return &Told{Text: nameOf(ctx) + " is open"}, nil
}

func vaultKinds(forward func(cluster.GrainContext) cluster.GrainCallOption) []*cluster.Kind {
	return []*cluster.Kind{
		NewReportKind(func() Report { return &ReportGrain{forward: forward} }, time.Minute),
		NewVaultKind(func() Vault { return &VaultGrain{} }, time.Minute),
	}
}

// showContext lets an admin and a guest read the vault through a report.
func showContext(_ context.Context, out io.Writer, s settings) error {
	forward := Forward
	switch s.variant {
	case "not-forwarded":
		forward = notForwarded
	case "variable":
		forward = newVariable().forward
	}
	silo := engine.StartSilo(vaultKinds(forward)...)
	defer engine.Stop(silo)
	fmt.Fprintln(out, "An admin and a guest, at the same time, each through a report to its vault")
	roles := []string{"admin", "guest"}
	answers := make([]string, len(roles))
	var both sync.WaitGroup
	for i, role := range roles {
		both.Go(func() { answers[i] = read(silo, role, fmt.Sprint(i+1)) })
	}
	both.Wait()
	for i, role := range roles {
		fmt.Fprintf(out, "  %s → Report/%d → Vault/%d: %s\n", role, i+1, i+1, answers[i])
	}
	return nil
}

func read(silo *cluster.Cluster, role, report string) string {
	told, err := GetReportGrainClient(silo, report).Read(
		&Nothing{}, engine.Within(2*timeout), As(silo, role))
	if err != nil {
		return engine.Reason(err)
	}
	return told.GetText()
}
