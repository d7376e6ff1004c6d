package main

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// timeout of a call from grain to grain.
const timeout = 10 * time.Second

// ReportGrain reads a vault for whoever asks it to.
type ReportGrain struct {
	engine.Hooks
	// options are those of its call to the vault: the variants differ here.
	options func(cluster.GrainContext) []cluster.GrainCallOption
}

// Read does not mention roles, and is none of their business.
func (g *ReportGrain) Read(_ *Ask, ctx cluster.GrainContext) (*Told, error) {
	return GetVaultGrainClient(ctx.Cluster(), ctx.Identity()).Open(&Ask{}, g.options(ctx)...)
}

// VaultGrain decides by the role of the call in hand.
type VaultGrain struct{ engine.Hooks }

// Open opens for an admin.
func (*VaultGrain) Open(_ *Ask, ctx cluster.GrainContext) (*Told, error) {
	name := engine.Key(ctx.Kind(), ctx.Identity())
	if role := RoleOf(ctx); role != "admin" {
		return nil, cluster.NewGrainErrorResponsef(cluster.ErrorReason_PERMISSION_DENIED,
			"%s is closed for %s", name, role)
	}
	return &Told{Text: fmt.Sprintf("%s is open", name)}, nil
}

// Kinds are both kinds of grains, reports with the given options.
func Kinds(options func(cluster.GrainContext) []cluster.GrainCallOption) []*cluster.Kind {
	return []*cluster.Kind{
		NewReportKind(func() Report { return &ReportGrain{options: options} }, time.Minute),
		NewVaultKind(func() Vault { return &VaultGrain{} }, time.Minute),
	}
}

// forwarded is the right way: what came with the call goes on with the next.
func forwarded(ctx cluster.GrainContext) []cluster.GrainCallOption {
	return Forward(ctx, timeout)
}
