package payment

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"course.example/05-microservices/paymentpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcServer serves charges by gRPC.
type grpcServer struct {
	paymentpb.UnimplementedPaymentServer
	payment Charger
}

// GRPCServer returns a gRPC server of a payment service.
func GRPCServer(p Charger) *grpc.Server {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxCharge))
	paymentpb.RegisterPaymentServer(server, &grpcServer{payment: p})
	return server
}

// Charge implements the service of payment.proto.
func (g *grpcServer) Charge(
	ctx context.Context, r *paymentpb.ChargeRequest,
) (*paymentpb.ChargeResponse, error) {
	receipt, err := g.payment.Charge(ctx, r.GetIdempotencyKey(), Charge{
		OrderID: r.GetOrderId(), UserEmail: r.GetUserEmail(), AmountCents: r.AmountCents,
	})
	if receipt.Repeated {
		g.tell(ctx, "idempotent-replayed", "true")
	}
	if err != nil {
		_, code := statusOf(err)
		if code == codes.Unavailable {
			g.tell(ctx, "retry-after", "1")
		}
		return nil, status.Error(code, err.Error())
	}
	return &paymentpb.ChargeResponse{
		ReceiptId: receipt.ID, OrderId: receipt.OrderID, AmountCents: receipt.AmountCents,
		ChargedAtUnixMs: receipt.ChargedAtMs, Repeated: receipt.Repeated,
	}, nil
}

// tell sends what is a header in HTTP. In gRPC it may be one behind the answer.
func (g *grpcServer) tell(ctx context.Context, name, value string) {
	if err := grpc.SetTrailer(ctx, metadata.Pairs(name, value)); err != nil {
		slog.Debug("a trailer is not sent", "name", name, "error", err)
	}
}

// Both serves gRPC and everything else on one port. gRPC is HTTP/2 with a content
// type of its own, and what can be told apart needs no second port. The price is that
// net/http's HTTP/2 server does the work and not the gRPC library's own: it is slower
// with many callers (the page has the figures), and knows neither keepalive pings nor
// limits of its own.
func Both(rpc, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 &&
			strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			rpc.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}
