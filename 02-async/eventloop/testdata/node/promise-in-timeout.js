setTimeout(() => {
  console.log("timeout 1")
  Promise.resolve().then(() => console.log("promise"))
}, 0)
setTimeout(() => console.log("timeout 2"), 0)
