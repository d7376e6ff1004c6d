new Promise(() => { throw new Error("broken") })
  .catch((err) => console.log("caught " + err.message))
console.log("main")
