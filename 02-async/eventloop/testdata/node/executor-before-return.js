const p = new Promise((resolve) => {
  console.log("executor")
  resolve("value")
  console.log("after resolve")
})
console.log("main")
p.then((value) => console.log(value))
console.log("end of main")
