module course.example/lab

go 1.26
