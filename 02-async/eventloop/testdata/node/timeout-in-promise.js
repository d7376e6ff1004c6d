Promise.resolve().then(() => {
  console.log("promise")
  setTimeout(() => console.log("inner timeout"), 0)
})
setTimeout(() => console.log("outer timeout"), 0)
