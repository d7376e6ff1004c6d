package saga

import (
	"testing"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
)

func sickShop(well services.Kind) servicestest.Shop {
	return servicestest.Shop{
		Door:   "./website",
		Others: []string{"./orchestrator", "./payment", "./inventory", "./shipping"},
		Also:   []services.Kind{well}, Queue: "orchestrator",
		Publishes: true, GivesUp: true,
	}
}

// Whatever happens to the broker, orders are taken: the outbox keeps them.
func TestSickBroker(t *testing.T) {
	shop := sickShop(services.Postgres)
	shop.Keeps = true
	servicestest.SickRabbitMQ(t, shop)
}

// Whatever happens to the database, nobody waits without end and nothing is lost.
func TestSickDatabase(t *testing.T) {
	servicestest.SickPostgres(t, sickShop(services.RabbitMQ))
}
