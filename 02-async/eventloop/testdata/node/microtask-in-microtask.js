setTimeout(() => console.log("timeout"), 0)
queueMicrotask(() => {
  console.log("first")
  queueMicrotask(() => console.log("second"))
})
