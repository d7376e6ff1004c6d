new Promise((resolve, reject) => {
  resolve("yes")
  resolve("yes again")
  reject(new Error("no"))
}).then((value) => console.log(value))
