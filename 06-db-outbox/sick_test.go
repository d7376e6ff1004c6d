package outbox

import (
	"testing"

	"course.example/lab/services/servicestest"
)

// Whatever happens to the database, nobody waits without end and nothing is lost.
func TestSickDatabase(t *testing.T) {
	servicestest.SickPostgres(t, servicestest.Shop{
		Door: "./producer", Others: []string{"./consumer"},
	})
}
